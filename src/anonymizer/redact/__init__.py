"""What replaces a region: bounded, noised pixels, in photos and in a clip's planes, and how far a place lies
under them.

It is told what to hide; it looks for nothing and writes no file.
"""
