"""The version, alone, so that nothing needs the package's front door for it."""

__version__ = "0.1.0"
