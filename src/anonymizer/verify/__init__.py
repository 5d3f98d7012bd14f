"""Independent checks on a written file: structure, canaries, strength, a second reader.

Nothing here imports a writer, and no check trusts what the writer says of its own work.
"""
