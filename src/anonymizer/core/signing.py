"""Signatures: one Ed25519 key per user, and whether a document is still what that key signed.

A document is a JSON object. What is signed is its canonical form without its member ``signature``: UTF-8, members
sorted by name (by code point), no space outside strings, every string unescaped but for what JSON demands, numbers as
Python writes them (integers in full, the shortest decimal that reads back to the same double). That is RFC 8785
but for the order of names outside the basic plane and the spelling of numbers like ``1.0`` and ``1e+16``.

The key has no passphrase: reports are signed while nobody sits there. Its file is readable by its owner alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from anonymizer.core.errors import NotReadyError, UsageError
from anonymizer.core.private_file import content_of, kept_at

ALGORITHM = "Ed25519"
VARIABLE = "ANONYMIZER_KEY"
"""Names the file of the private key, in place of the one in the user's configuration folder."""
FILE = "signing-key.pem"

Document = dict[str, Any]
"""A JSON object as ``json.loads`` gives it."""
PublicKeys = Mapping[str, Ed25519PublicKey]
"""Keys that are trusted, by their id."""


class SignatureStatus(StrEnum):
    """What a signature says of its document."""

    VALID = "valid"
    CHANGED = "changed"
    """Not what the key signed."""
    UNKNOWN = "unknown"
    """Not signed, or signed with an unknown key: nothing can be said."""


@dataclass(frozen=True, slots=True)
class Key:
    """A private key at hand."""

    private: Ed25519PrivateKey

    @property
    def id(self) -> str:
        return key_id(self.private.public_key())

    @property
    def public(self) -> PublicKeys:
        """Its public half, as what it may be checked with."""
        return {self.id: self.private.public_key()}

    def pem(self) -> bytes:
        """The public half, to hand out: PEM, SubjectPublicKeyInfo."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, message: bytes) -> str:
        """The signature of a message, base64."""
        return base64.b64encode(self.private.sign(message)).decode()


def key_id(key: Ed25519PublicKey) -> str:
    """A public key's short name: the first 32 hex digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]


def key_path() -> Path:
    """Where this user's private key is kept."""
    return kept_at(VARIABLE, FILE)


def own_key(out: Path | None = None) -> Key:
    """This user's key, made when it is asked for the first time.

    Raises as :func:`anonymizer.core.private_file.content_of`, and :class:`NotReadyError` where it is no such key.
    """
    path = key_path()
    content = content_of(path, _new_pem, "key", VARIABLE, out)
    try:
        private = serialization.load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NotReadyError("key.no-key", path=path) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise NotReadyError("key.no-ed25519", path=path)
    return Key(private)


def present_key() -> Key | None:
    """This user's key if there is one; never makes one. Raises :class:`NotReadyError` as :func:`own_key`."""
    return own_key() if key_path().exists() else None


def _new_pem() -> bytes:
    return private_pem(Ed25519PrivateKey.generate())


def private_pem(key: Ed25519PrivateKey) -> bytes:
    """A private key as its file holds it: PEM, PKCS #8, without a passphrase."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_public(path: Path) -> PublicKeys:
    """A public key from its PEM file. Raises :class:`UsageError` where it is none."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError("path.missing", path=path) from error
    except OSError as error:
        raise UsageError("key.unreadable", path=path, cause=error.strerror or error) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError("key.public-none", path=path) from error
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError("key.public-no-ed25519", path=path)
    return {key_id(key): key}


def trusted(files: Iterable[Path] = ()) -> PublicKeys:
    """The public keys of these files; without any, this user's own, if there is one."""
    named: dict[str, Ed25519PublicKey] = {}
    for file in files:
        named |= read_public(file)
    if named:
        return named
    own = present_key()
    return own.public if own else {}


def canonical(document: Document) -> bytes:
    """The bytes that are signed, before the purpose is put in front of them. Raises ValueError for NaN, infinity."""
    bare = {name: value for name, value in document.items() if name != "signature"}
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def signed(document: Document, purpose: str, key: Key) -> Document:
    """The document with its signature. ``purpose`` keeps a signature on one kind from serving for another."""
    made = {"algorithm": ALGORITHM, "key": key.id, "value": key.sign(_message(document, purpose))}
    return {name: value for name, value in document.items() if name != "signature"} | {"signature": made}


def signature_status(document: Document, purpose: str, keys: PublicKeys) -> SignatureStatus:
    """Is the document what one of the keys signed?"""
    record = document.get("signature")
    if record is None:
        return SignatureStatus.UNKNOWN
    names = {"algorithm", "key", "value"}
    if (
        not isinstance(record, dict)
        or record.keys() != names
        or not all(isinstance(v, str) for v in record.values())
    ):
        return SignatureStatus.CHANGED
    message = _message(document, purpose)
    makers = [id for id, key in keys.items() if _made_by(key, record["value"], message)]
    if record["algorithm"] == ALGORITHM and record["key"] in makers:
        return SignatureStatus.VALID
    # A known key's good signature under another name, or a known key's name over a bad one.
    return SignatureStatus.CHANGED if makers or record["key"] in keys else SignatureStatus.UNKNOWN


def made_by(keys: PublicKeys, id: str, value: str, message: bytes) -> SignatureStatus:
    """Is this base64 signature of a message the key's, which is named by its id?"""
    if id not in keys:
        return SignatureStatus.UNKNOWN
    return SignatureStatus.VALID if _made_by(keys[id], value, message) else SignatureStatus.CHANGED


def _made_by(key: Ed25519PublicKey, value: str, message: bytes) -> bool:
    try:
        raw = base64.b64decode(value, validate=True)
        key.verify(raw, message)
    except (ValueError, InvalidSignature):
        return False
    # Base64 has spare bits at its end: one spelling only.
    return base64.b64encode(raw).decode() == value


def _message(document: Document, purpose: str) -> bytes:
    return f"anonymizer {purpose} 1\n".encode() + canonical(document)


def as_file(document: Document) -> bytes:
    """The one way in which a signed document is written: a changed space or escape shows too."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def parse(content: bytes) -> Document:
    """A document from its file. Raises ValueError where it is no JSON object or a name stands in it twice."""
    try:
        document = json.loads(content.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return document


def file_signature_status(content: bytes, purpose: str, keys: PublicKeys) -> SignatureStatus:
    """Is this file, to the byte, what one of the keys signed?"""
    try:
        document = parse(content)
        said = signature_status(document, purpose, keys)
        return (
            said
            if said is not SignatureStatus.VALID or as_file(document) == content
            else SignatureStatus.CHANGED
        )
    except ValueError:
        return SignatureStatus.CHANGED


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
