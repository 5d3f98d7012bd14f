"""The same batch over the workers of a Dask cluster.

A thin way in: a pool like any other, and nothing else knows of Dask.
"""
