"""Name, times, attributes and links of the written file: they say nothing about the source."""

from __future__ import annotations

import os
import re
from enum import Enum
from pathlib import Path

from anonymizer.core.message import Message
from anonymizer.core.types import Check, Result

NEUTRAL_TIME = 946_684_800
"""2000-01-01T00:00:00Z (repeated from the writer on purpose)."""
NAME = re.compile(r"[a-z0-9-]+\.(?:jpg|png|mp4|dcm)")
SYSTEM = ("security.", "system.", "trusted.")
"""Attributes that a file system sets by itself."""


class Standing(Enum):
    """What a file is to this program, by where it lies: how much of its name and times is the program's own doing."""

    NEW = "just written"
    KEPT = "in an output folder"
    COPY = "handed on"


def attributes(path: Path) -> list[str]:
    """Names of the extended attributes that somebody put on a file; none where Python cannot ask (macOS, Windows)."""
    found = os.listxattr(path) if hasattr(os, "listxattr") else []
    return sorted(name for name in found if not name.startswith(SYSTEM))


def check(path: Path, keep_name: bool, standing: Standing = Standing.NEW) -> Check:
    """Whether name, modification time and extended attributes are neutral.

    Copying sets a file's time to that of the copy; so does bringing back a backup. Browsers, mail programs and file
    managers put attributes on what they save (where it came from, that it is not to be trusted). So another time does
    not fail on what is not new, nor do attributes on a copy: the evidence names them and ``data`` has ``remark``.
    """
    wrong = []
    if not keep_name and not NAME.fullmatch(path.name):
        wrong.append(Message("check.name-not-neutral"))
    remarks = []
    if int(path.stat().st_mtime) != NEUTRAL_TIME:
        if standing is Standing.NEW:
            wrong.append(Message("check.time-not-neutral"))
        else:
            remarks.append(Message("check.time-of-copy"))
    if names := attributes(path):
        if standing is Standing.COPY:
            remarks.append(Message("check.attributes-of-copy", names=names))
        else:
            wrong.append(Message("check.attributes", names=names))
    if wrong:
        return Check("name-and-times", Result.FAIL, Message("check.naming.failed", what=wrong))
    if remarks:
        said = Message("check.naming.copied-kept" if keep_name else "check.naming.copied", what=remarks)
        return Check("name-and-times", Result.PASS, said, {"remark": True})
    said = Message("check.naming.kept" if keep_name else "check.naming.passed")
    return Check("name-and-times", Result.PASS, said)
