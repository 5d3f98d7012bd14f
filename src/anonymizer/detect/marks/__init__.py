"""Likely tattoos, for a person to look at, and where the skin is.

Nothing here is ever proof: a mark is a question.
"""
