"""Barcodes and matrix codes: where they lie and whether a reader decodes them.

What they say never leaves this package.
"""
