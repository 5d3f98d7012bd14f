"""The verification report: one schema, written as JSON and as a page, and the index over all of them.

It tells what others found and checked; it decides nothing and holds nothing of the source.
"""
