"""Makes clinical photos and videos publishable: finds, hides, cleans, verifies, and says why.

    from anonymizer import anonymize, verify

``anonymize(path)`` takes one file down the whole road, ``verify(path)`` checks a published one again.
"""

import os
from typing import TYPE_CHECKING, Any

# Before NumPy is loaded: the matrices here are small, and its idle threads would turn on the spot beside the networks.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
__all__ = ["Outcome", "Report", "Settings", "anonymize", "verify"]

if TYPE_CHECKING:
    from anonymizer.pipeline import Outcome, anonymize
    from anonymizer.published import verify
    from anonymizer.report.schema import Report
    from anonymizer.settings import Settings

_HOMES = {
    "Outcome": "anonymizer.pipeline",
    "Report": "anonymizer.report.schema",
    "Settings": "anonymizer.settings",
    "anonymize": "anonymizer.pipeline",
    "verify": "anonymizer.published",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for: the decoding process imports this package in no time."""
    if name not in _HOMES:
        raise AttributeError(f"module 'anonymizer' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
