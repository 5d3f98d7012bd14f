"""Folders and remote stores in, one output folder out, in parallel; a run goes on where it stopped.

A thin way in: everything that happens to one medium happens below.
"""
