"""The local page: drop files, look at what waits, correct it, decide.

A thin way in around the one road; it listens on this machine alone and keeps no verdict of its own.
"""
