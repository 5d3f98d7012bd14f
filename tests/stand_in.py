"""Decoding processes that do what a test wants, started as the real ones are: forked where the system allows it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anonymizer.read.clip import reader as clips
from anonymizer.read.forked import ForkServer
from anonymizer.read.photo import reader as photos

MAIN = (
    "\nif __name__ == '__main__':\n    import sys\n    sys.exit(work(sys.stdin.buffer, sys.stdout.buffer))\n"
)


def server(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> ForkServer:
    """Of a module with this code, which has ``prepare`` and ``work``."""
    (folder / "standing_in.py").write_text(code + MAIN, encoding="utf-8")
    search = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(search))
    return ForkServer("standing_in")


def replace(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    """Let it decode photos and clips for the rest of the test."""
    stand_in = server(monkeypatch, folder, code)
    for reader in (photos, clips):
        monkeypatch.setattr(reader, "PROCESSES", stand_in)
