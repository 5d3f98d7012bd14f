"""The models by manifest: file, hash, licence, and the sources they are fetched from.

The only package that may reach a network, and only to fetch what the manifest names.
"""
