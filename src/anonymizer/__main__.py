"""Where the program starts: Ctrl-C is quiet from the first moment on, while the libraries are still being loaded."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line (:func:`anonymizer.cli.main.main`); exit code 130 where it is stopped at once.

    Without a terminal and without a word (``pythonw -m anonymizer``) it opens the page.
    """
    windowed = sys.stdout is None
    try:
        if windowed:
            # pythonw has no streams at all: what is said goes nowhere, but saying it is no error.
            sys.stdout, sys.stderr = (open(os.devnull, "w", encoding="utf-8") for _ in range(2))  # noqa: PTH123, SIM115
        from anonymizer.cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run(["desktop", "open"] if windowed and len(sys.argv) == 1 else None)


if __name__ == "__main__":
    main()
