"""The watch folder: what appears in the inbox and is complete goes to the engine, for as long as it runs."""
