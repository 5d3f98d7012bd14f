"""The road's part for clips: search, plan, write, and the verification pass over what was written.

What is special to clips on the road, and nothing that a photo needs.
"""
