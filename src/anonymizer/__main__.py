"""Where the program starts: Ctrl-C is quiet from the first moment on, while the libraries are still being loaded."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line (:func:`anonymizer.cli.main.main`); exit code 130 where it is stopped at once."""
    try:
        from anonymizer.cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
