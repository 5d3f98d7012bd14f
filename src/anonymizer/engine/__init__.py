"""Many media at once: the scheduler, the pool, and the worker process.

It knows what waits and what runs; where media come from is the business of those who call it.
"""
