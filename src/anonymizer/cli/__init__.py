"""The command line, one file for each command: words into calls, outcomes into words.

No logic that another way in would need lives here.
"""
