"""The small process between the program and one of others: it confines itself and becomes it.

It is started for every medium and imports next to nothing.
"""

from __future__ import annotations

import json
import os
import sys

from anonymizer.core.confinement.apply import CANNOT_CONFINE, confine_program


def main() -> None:
    """Arguments: where this package lies; what to allow, as JSON; the program, and its own arguments."""
    told = json.loads(sys.argv[2])
    command = sys.argv[3:]
    try:
        confine_program(told["read"], told["execute"], told["seconds"])
        os.execv(command[0], command)
    finally:
        # Whatever went wrong: without its fences the program does not start.
        os._exit(CANNOT_CONFINE)
