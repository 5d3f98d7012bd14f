"""A medium by its content: which format it is, whether it is complete, its pixels or frames, and what its
metadata held.

Foreign bytes are decoded in child processes alone, and nothing here decides what is hidden.
"""
