"""The secret from which the noise of redactions follows: 32 random bytes, one for each installation.

The noise on a redaction is drawn from this secret and from what the place looks like (:mod:`anonymizer.redact.noise`),
so that the same picture, processed again, gets the same noise: were it fresh each time, the mean of many outputs
would be free of it. The identifiers in a de-identified DICOM follow from it too. Who has the secret can take the noise
off again. The file has mode 0600, as the signing key has.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from anonymizer.core.errors import NotReadyError
from anonymizer.core.private_file import content_of, kept_at

VARIABLE = "ANONYMIZER_NOISE_SECRET"
"""Names the file of the secret, in place of the one in the user's configuration folder."""
FILE = "noise-secret"
LENGTH = 32
"""Bytes; the file holds them as hexadecimal digits and a line's end."""


def secret_path() -> Path:
    """Where this installation's secret is kept."""
    return kept_at(VARIABLE, FILE)


def own_secret(out: Path | None = None) -> bytes:
    """This installation's secret, made when it is asked for the first time.

    Raises as :func:`anonymizer.core.private_file.content_of`, and :class:`NotReadyError` where it is damaged.
    """
    path = secret_path()
    content = content_of(path, _new, "noise", VARIABLE, out)
    try:
        value = bytes.fromhex(content.decode("ascii").strip())
    except ValueError as error:
        raise NotReadyError("noise.no-secret", path=path) from error
    if len(value) != LENGTH:
        raise NotReadyError("noise.no-secret", path=path)
    return value


def _new() -> bytes:
    return secrets.token_hex(LENGTH).encode() + b"\n"
