"""The watch folder: what appears in the inbox and is complete goes to the engine, for as long as it runs.

A thin way in: it decides when a file is whole and what is waited out, and nothing about its content.
"""
