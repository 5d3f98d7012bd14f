"""Text: lines of any size, where small print goes on, and what a line says.

What is done with a doubtful line is not decided here.
"""
