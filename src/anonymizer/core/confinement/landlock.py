"""Take every right to files, sockets and other processes away from this process (Landlock, Linux 5.13).

The structures and numbers are those of ``include/uapi/linux/landlock.h``; the system calls have the same numbers on
every architecture. What an older kernel does not know is left out, as that header's documentation asks.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterable

from anonymizer.core.confinement.kernel import call

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights to files each version knows: the first thirteen, then REFER, TRUNCATE and IOCTL_DEV."""
_NETWORK = 0b11
"""To bind and to connect TCP; known from version 4 on."""
_SCOPED = 0b11
"""Abstract Unix sockets of other processes, and signals to them; known from version 6 on."""
_NOT_OFFERED = (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
"""Too old, not switched on, or kept away by a container whose own list does not know the call."""


def version() -> int:
    """Version of Landlock that the kernel offers; 0 for none. Raises OSError."""
    try:
        return call(_CREATE_RULESET, None, 0, _VERSION)
    except OSError as error:
        if error.errno in _NOT_OFFERED:
            return 0
        raise


def apply(*, read: Iterable[str] = (), execute: Iterable[str] = ()) -> int:
    """From now on this thread, and those that it starts, may only read at or below ``read`` and run ``execute``.

    The version that holds; 0 where the kernel has none. No privilege may be left to gain. Raises OSError.
    """
    if not (held := version()):
        return 0
    handled = (1 << _FILE_RIGHTS[min(held, max(_FILE_RIGHTS))]) - 1
    parts = [handled, *([_NETWORK] if held >= 4 else []), *([_SCOPED] if held >= 6 else [])]
    attributes = struct.pack(f"={len(parts)}Q", *parts)
    ruleset = call(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for path in read:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        for path in execute:
            _allow(ruleset, path, _READ_FILE | _EXECUTE)
        call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return held


def _allow(ruleset: int, path: str, rights: int) -> None:
    """A right to a file, or to all below a folder; what is not there needs none."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= _EXECUTE | _READ_FILE
        call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, handle), 0)
    finally:
        os.close(handle)
