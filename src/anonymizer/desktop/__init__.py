"""A launcher for the page on each system: the files it takes, put where that system looks for them."""
