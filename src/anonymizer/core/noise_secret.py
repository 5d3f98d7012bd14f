"""The secret from which the noise of redactions follows: 32 random bytes, one for each installation.

The noise on a redaction is drawn from this secret and from what the place looks like (:mod:`anonymizer.redact.noise`),
so that the same picture, processed again, gets the same noise: were it fresh each time, the mean of many outputs
would be free of it. Who has the secret can take the noise off again. The file has mode 0600, as the signing key has.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from anonymizer.core.errors import NotReadyError, UsageError
from anonymizer.core.folders import config_folder
from anonymizer.core.private_file import create, open_to_others

VARIABLE = "ANONYMIZER_NOISE_SECRET"
"""Names the file of the secret, in place of the one in the user's configuration folder."""
FILE = "noise-secret"
LENGTH = 32
"""Bytes; the file holds them as hexadecimal digits and a line's end."""


def secret_path() -> Path:
    """Where this installation's secret is kept."""
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser().absolute()
    return config_folder() / FILE


def own_secret(out: Path | None = None) -> bytes:
    """This installation's secret, made when it is asked for the first time.

    Raises :class:`UsageError` where it would lie in the output folder ``out``, which is handed on and copied, and
    :class:`NotReadyError` where it cannot be made or read, is damaged, or can be read by others.
    """
    path = secret_path()
    if out is not None and path.resolve().is_relative_to(out.resolve()):
        raise UsageError("noise.in-output", path=path, variable=VARIABLE)
    try:
        if not path.exists():
            create(path, secrets.token_hex(LENGTH).encode() + b"\n")
        return _load(path)
    except OSError as error:
        raise NotReadyError(
            "noise.unusable", path=path, cause=error.strerror or error, variable=VARIABLE
        ) from error


def _load(path: Path) -> bytes:
    if path.is_dir():
        raise NotReadyError("noise.is-folder", path=path, variable=VARIABLE)
    if open_to_others(path):
        raise NotReadyError("noise.readable", path=path)
    try:
        value = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError as error:
        value = b""
        cause: ValueError | None = error
    else:
        cause = None
    if len(value) != LENGTH:
        raise NotReadyError("noise.no-secret", path=path) from cause
    return value
