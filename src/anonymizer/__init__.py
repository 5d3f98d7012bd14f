"""Makes clinical photos and videos publishable: finds, hides, cleans, verifies, and says why."""

__version__ = "0.1.0"
