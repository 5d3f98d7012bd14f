"""The files of the models that anonymizer uses; ``SHA256SUMS`` has their hashes, the wheel's metadata their licences.

Nothing here is code: anonymizer looks for the files in this folder, and uses one only if its hash is right.
"""
