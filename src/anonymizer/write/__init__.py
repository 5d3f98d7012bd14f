"""The clean file: a photo or a clip made anew from pixels, with nothing of the source's file.

Writers get arrays and settings alone, never a source's metadata or name.
"""
