"""What identifies a source besides its picture: the kinds that the report names and the strings that the
canary scan searches for.

Walkers and harvesters only: nothing here removes anything or writes a file.
"""
