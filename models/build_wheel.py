"""Puts the models into their wheel: every one that a run needs, checked against the manifest, fetched if need be.

The wheel is built in the program's own environment (``make dist``), for the program knows where its models are.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

from anonymizer.detect.models.store import Store

PACKAGE = "anonymizer_models"


class ModelsHook(BuildHookInterface):
    """Adds the files and their hashes to the package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        store = Store()
        needed = [entry for entry in store.entries() if not entry.optional and entry.kind != "plugin"]
        included = {str(store.path(entry.name)): f"{PACKAGE}/{entry.file}" for entry in needed}
        self._folder = tempfile.TemporaryDirectory()
        sums = Path(self._folder.name) / "SHA256SUMS"
        lines = (f"{entry.sha256}  {entry.file}\n" for entry in needed)
        sums.write_text("".join(lines), encoding="ascii", newline="\n")
        build_data["force_include"] |= included | {str(sums): f"{PACKAGE}/SHA256SUMS"}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self._folder.cleanup()
