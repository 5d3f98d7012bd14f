"""The road itself: open, detect, track, redact, write, verify, report, gate, for one medium.

It calls the packages below in order; what each step does stands in its own package.
"""
