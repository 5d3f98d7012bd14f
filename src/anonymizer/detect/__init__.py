"""From a picture to evidence: finders for faces, text, codes and marks, anyone's own detector, and the one
place that runs networks.

A finder sees pixels and says what it saw and how surely; it neither changes pixels nor knows where they came
from.
"""
