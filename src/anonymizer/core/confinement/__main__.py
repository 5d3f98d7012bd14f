"""Confine this process and say what holds it: how ``anonymizer doctor`` finds out what this machine can do."""

from __future__ import annotations

import json
import os
import sys

from anonymizer.core.confinement.apply import CANNOT_CONFINE, confine


def main() -> int:
    """Write the level as JSON, and whether a folder can still be listed."""
    try:
        level = confine(1 << 30, 5)
    except OSError:
        return CANNOT_CONFINE
    try:
        os.scandir("/").close()
        open_ = True
    except OSError:
        open_ = False
    os.write(1, json.dumps(level._asdict() | {"open": open_}).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
