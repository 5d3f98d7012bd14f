"""Clips: the decoding process, and every container to frames with their own times in one working form.

The parent's side is ``reader``; whatever touches foreign bytes runs in ``child`` and ``sound_child``.
"""
