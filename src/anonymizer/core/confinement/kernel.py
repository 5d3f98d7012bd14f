"""System calls that Python has no function for, by the C library (Linux)."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache

_SET_DUMPABLE, _SET_NO_NEW_PRIVS = 4, 38
"""Of prctl(2): ``include/uapi/linux/prctl.h``."""


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    library.prctl.restype = ctypes.c_int
    return library


def call(number: int, *arguments: int | bytes | None) -> int:
    """One system call; what it answers. Bytes are handed over as a pointer. Raises OSError."""
    told = [one if one is None or isinstance(one, bytes) else ctypes.c_long(one) for one in arguments]
    ctypes.set_errno(0)
    result = int(_library().syscall(ctypes.c_long(number), *told))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def give_up_privileges(*, dumpable: bool) -> None:
    """No program that this process starts gains rights by it; and, not ``dumpable``, no other process looks into it.

    Raises OSError.
    """
    _set(_SET_NO_NEW_PRIVS, 1)
    if not dumpable:
        _set(_SET_DUMPABLE, 0)


def _set(option: int, value: int) -> None:
    rest = [ctypes.c_ulong(0)] * 3
    if _library().prctl(ctypes.c_int(option), ctypes.c_ulong(value), *rest) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
