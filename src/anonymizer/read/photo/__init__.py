"""Photos: the decoding process, and every still format to upright 8-bit sRGB.

The parent's side is ``reader``; whatever touches foreign bytes runs in ``child``.
"""
