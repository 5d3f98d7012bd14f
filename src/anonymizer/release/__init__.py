"""Handing out: copies of what is ready, checked again, with a signed list; and checking any of it later.

Nothing is processed here, and nothing leaves that has not passed the gate.
"""
