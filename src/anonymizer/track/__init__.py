"""Evidence over time: sightings linked into tracks, followed between detections, and what a person drew on a clip.

A track says where something is in every frame; how it is hidden is not decided here.
"""
