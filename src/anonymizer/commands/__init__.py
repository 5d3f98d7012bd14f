"""Commands that are more than a screenful: one module each."""
