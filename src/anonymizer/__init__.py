"""Makes clinical photos and videos publishable: finds, hides, cleans, verifies, and says why.

    from anonymizer import anonymize, check_published

``anonymize(path)`` takes one file down the whole road, ``anonymize_series(paths)`` those of one patient, framed alike;
``check_published(path)`` checks a published one again. Of a ZIP archive or a PDF document, ``members(path)`` gives the
path of each picture in it.
"""

import os
from typing import TYPE_CHECKING, Any

# Before NumPy is loaded: the matrices here are small, and its idle threads would turn on the spot beside the networks.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from anonymizer.core.version import __version__

__all__ = [
    "Outcome",
    "Report",
    "Settings",
    "__version__",
    "anonymize",
    "anonymize_series",
    "check_published",
    "make_sheet",
    "members",
]

if TYPE_CHECKING:
    from anonymizer.core.settings import Settings
    from anonymizer.read.bundle.reader import members
    from anonymizer.release.check import verify as check_published
    from anonymizer.report.schema import Report
    from anonymizer.road.pipeline import Outcome, anonymize, anonymize_series
    from anonymizer.road.sheet import make_sheet

_HOMES = {
    "Outcome": "anonymizer.road.pipeline",
    "Report": "anonymizer.report.schema",
    "Settings": "anonymizer.core.settings",
    "anonymize": "anonymizer.road.pipeline",
    "anonymize_series": "anonymizer.road.pipeline",
    "members": "anonymizer.read.bundle.reader",
    "check_published": "anonymizer.release.check",
    "make_sheet": "anonymizer.road.sheet",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for: the decoding process imports this package in no time."""
    if name not in _HOMES:
        raise AttributeError(f"module 'anonymizer' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), {"check_published": "verify"}.get(name, name))
