"""The local page: drop files, look at what waits, correct it, decide. A thin shell around the one road."""
