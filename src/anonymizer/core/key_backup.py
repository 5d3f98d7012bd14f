"""A backup of what one installation alone has: the key that signs, and the secret that the noise follows from.

Both in one file, sealed with a passphrase: scrypt (RFC 7914) makes a key of it, ChaCha20-Poly1305 (RFC 8439) seals with
that. A new workstation that restores it goes on signing, and its outputs tell no more of a picture than the old one's.
"""

from __future__ import annotations

import base64
import json
import os
import unicodedata

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from anonymizer.core import noise_secret, signing
from anonymizer.core.errors import NotReadyError, UsageError
from anonymizer.core.private_file import create

FORMAT = "anonymizer key backup 1"
LEAST = 12
"""Characters of a passphrase."""
COST = 1 << 17
"""scrypt's N, with r = 8 and p = 1: 128 MiB and a good third of a second for each guess (OWASP's password storage cheat
sheet)."""
SALT, NONCE = 16, 12
"""Bytes."""


def sealed(passphrase: str) -> bytes:
    """This user's key and secret, both made if there is none yet, as the content of a backup file.

    Raises :class:`UsageError` where the passphrase is too short, and as :func:`anonymizer.core.signing.own_key`.
    """
    if len(passphrase) < LEAST:
        raise UsageError("key.passphrase-short", least=LEAST)
    own, secret = signing.own_key(), noise_secret.own_secret()
    kept = {"key": signing.private_pem(own.private).decode(), "noise": secret.hex()}
    salt, nonce = os.urandom(SALT), os.urandom(NONCE)
    head = {"format": FORMAT, "id": own.id, "scrypt": COST, "salt": salt.hex(), "nonce": nonce.hex()}
    box = ChaCha20Poly1305(_key(passphrase, salt))
    text = box.encrypt(nonce, json.dumps(kept).encode(), _bound(head))
    return json.dumps(head | {"sealed": base64.b64encode(text).decode()}, indent=1).encode() + b"\n"


def restored(content: bytes, passphrase: str) -> str:
    """Put a backup's key and secret where this user's are kept; the key's id.

    What is there already and is the same is left alone. Raises :class:`UsageError` where the file is no backup, the
    passphrase is wrong, or another key or secret is there: neither is ever overwritten.
    """
    pem, secret, id = _opened(content, passphrase)
    there = {signing.key_path(): pem, noise_secret.secret_path(): secret.hex().encode() + b"\n"}
    for path, own in there.items():
        if path.exists() and path.read_bytes() != own:
            raise UsageError("key.another-there", path=path)
    for path, own in there.items():
        try:
            create(path, own)
        except OSError as error:
            raise NotReadyError("key.not-written", path=path, cause=error.strerror or error) from error
    return id


def _opened(content: bytes, passphrase: str) -> tuple[bytes, bytes, str]:
    try:
        head = json.loads(content)
        text = base64.b64decode(head.pop("sealed"), validate=True)
        salt, nonce, id = bytes.fromhex(head["salt"]), bytes.fromhex(head["nonce"]), str(head["id"])
        if head["format"] != FORMAT or head["scrypt"] != COST:
            raise ValueError("another format")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError("key.no-backup") from error
    try:
        kept = json.loads(ChaCha20Poly1305(_key(passphrase, salt)).decrypt(nonce, text, _bound(head)))
    except InvalidTag as error:
        raise UsageError("key.wrong-passphrase") from error
    return kept["key"].encode(), bytes.fromhex(kept["noise"]), id


def _key(passphrase: str, salt: bytes) -> bytes:
    # Typed on another keyboard, an accent may come as a sign of its own.
    text = unicodedata.normalize("NFKC", passphrase).encode()
    return Scrypt(salt=salt, length=32, n=COST, r=8, p=1).derive(text)


def _bound(head: dict[str, object]) -> bytes:
    return json.dumps(head, sort_keys=True).encode()
