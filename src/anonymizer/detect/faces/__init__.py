"""Faces: an ensemble of networks at all rotations and several scales, fused into one region for each face.

What is done with a doubtful face is not decided here.
"""
