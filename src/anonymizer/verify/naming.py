"""Name, times, attributes and links of the written file: they say nothing about the source."""

from __future__ import annotations

import os
import re
from pathlib import Path

from anonymizer.core.message import Message
from anonymizer.core.types import Check, Result

NEUTRAL_TIME = 946_684_800
"""2000-01-01T00:00:00Z (repeated from the writer on purpose)."""
NAME = re.compile(r"[a-z0-9-]+\.(?:jpg|png|mp4)")
SYSTEM = ("security.", "system.", "trusted.")
"""Attributes that a file system sets by itself."""


def check(path: Path, keep_name: bool, *, copied: bool = False) -> Check:
    """Whether name, modification time and extended attributes are neutral.

    Copying sets a file's time to that of the copy. Where the file may be ``copied``, another time is told
    (``data`` has ``other_time``) and does not fail.
    """
    status = path.stat()
    wrong = []
    if not keep_name and not NAME.fullmatch(path.name):
        wrong.append(Message("check.name-not-neutral"))
    other_time = int(status.st_mtime) != NEUTRAL_TIME
    if other_time and not copied:
        wrong.append(Message("check.time-not-neutral"))
    if hasattr(os, "listxattr") and any(not name.startswith(SYSTEM) for name in os.listxattr(path)):
        wrong.append(Message("check.attributes"))
    if wrong:
        return Check("name-and-times", Result.FAIL, Message("check.naming.failed", what=wrong))
    if other_time:
        said = Message("check.naming.copied-kept" if keep_name else "check.naming.copied")
        return Check("name-and-times", Result.PASS, said, {"other_time": True})
    said = Message("check.naming.kept" if keep_name else "check.naming.passed")
    return Check("name-and-times", Result.PASS, said)
