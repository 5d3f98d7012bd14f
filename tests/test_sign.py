"""The key and what it signs: made once, private, and one changed byte shows."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from anonymizer.core import signing as sign
from anonymizer.core.errors import NotReadyError, UsageError
from anonymizer.core.signing import Key, SignatureStatus

KEY = Key(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = Key(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(st.text().filter(lambda name: name != "signature"), json_values, max_size=5)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the key of this test is to be made."""
    monkeypatch.delenv(sign.VARIABLE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return sign.key_path()


def test_the_key_is_made_once_and_for_its_owner_alone(path: Path) -> None:
    assert sign.present_key() is None and not path.exists()
    key = sign.own_key()
    again = sign.present_key()
    assert again is not None and again.id == key.id == sign.own_key().id
    assert [one.name for one in path.parent.iterdir()] == [sign.FILE]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def _made(_: int) -> str:
    return sign.own_key().id


def test_many_processes_make_one_key(path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        assert len(set(pool.map(_made, range(16)))) == 1
    assert [one.name for one in path.parent.iterdir()] == [sign.FILE]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_key_that_others_can_read_is_refused(path: Path) -> None:
    sign.own_key()
    path.chmod(0o640)
    with pytest.raises(NotReadyError, match="chmod 600"):
        sign.own_key()


def test_what_is_no_key_of_ours_is_refused_and_left_alone(path: Path) -> None:
    rsa_key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True)
    for content in (b"", b"no key", rsa_key):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(NotReadyError, match="restore it"):
            sign.own_key()
        assert path.read_bytes() == content


def test_where_no_key_can_be_made_it_is_one_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.parent.write_text("a file where the folder should be")
    with pytest.raises(NotReadyError, match="cannot be made or read"):
        sign.own_key()


def test_the_key_never_lies_in_the_output_folder(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(sign.VARIABLE, str(tmp_path / "out" / "key.pem"))
    with pytest.raises(UsageError, match="lies in the output folder"):
        sign.own_key(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_killed_process_leaves_no_half_key(path: Path) -> None:
    """Killed before the link: the name is free, and the next process makes a whole key."""
    program = "import os\nfrom anonymizer.core import signing\nos.link = lambda *_: os._exit(9)\nsigning.own_key()\n"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    assert not path.exists()
    assert sign.own_key().id == sign.own_key().id


def test_a_volume_without_links_has_a_key_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    assert sign.own_key().id == sign.own_key().id
    assert [one.name for one in path.parent.iterdir()] == [sign.FILE]


def test_the_canonical_form_is_the_one_that_is_documented() -> None:
    document = {"b": [1.0, 0.1, 1e16, 1e-7, -0.0, 12], "a": {"é": '\n\u2028"/', "Z": None}, "signature": "x"}
    assert sign.canonical(document).decode() == (
        '{"a":{"Z":null,"é":"\\n\u2028\\"/"},"b":[1.0,0.1,1e+16,1e-07,-0.0,12]}'
    )
    with pytest.raises(ValueError, match="JSON"):
        sign.canonical({"a": float("nan")})


@given(documents)
def test_a_document_survives_the_file_and_stays_signed(document: dict[str, Any]) -> None:
    content = sign.as_file(sign.signed(document, "report", KEY))
    assert sign.file_signature_status(content, "report", KEY.public) is SignatureStatus.VALID
    assert sign.canonical(sign.parse(content)) == sign.canonical(document)
    assert sign.file_signature_status(content, "manifest", KEY.public) is SignatureStatus.CHANGED, (
        "another purpose"
    )
    assert sign.file_signature_status(content, "report", OTHER.public) is SignatureStatus.UNKNOWN


@given(documents, st.data())
def test_one_changed_byte_anywhere_shows(document: dict[str, Any], data: st.DataObject) -> None:
    content = bytearray(sign.as_file(sign.signed(document, "report", KEY)))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    assert sign.file_signature_status(bytes(content), "report", KEY.public) is not SignatureStatus.VALID


def test_every_byte_of_a_document_counts() -> None:
    content = sign.as_file(sign.signed({"verdict": "ready", "score": 0.25, "none": None}, "report", KEY))
    for at in range(len(content)):
        for flip in (1, 0x20):
            changed = content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :]
            # Without its name the signature is no signature: unknown.
            assert sign.file_signature_status(changed, "report", KEY.public) is not SignatureStatus.VALID, (
                changed
            )


@pytest.mark.parametrize(
    "change",
    [
        {"signature": None},
        {"signature": "x"},
        {"signature": {"algorithm": "Ed25519", "key": KEY.id}},
        {"signature": {"algorithm": "Ed25519", "key": KEY.id, "value": 3}},
        {"signature": {"algorithm": "Ed25519", "key": KEY.id, "value": "?"}},
        {"signature": {"algorithm": "Ed25519", "key": OTHER.id, "value": KEY.sign(b"x")}},
    ],
)
def test_a_signature_that_is_none(change: dict[str, Any]) -> None:
    assert sign.signature_status({"a": 1} | change, "report", KEY.public) is not SignatureStatus.VALID


def test_a_document_with_a_name_twice_is_none() -> None:
    content = sign.as_file(sign.signed({"verdict": "review"}, "report", KEY))
    twice = content.replace(b'"verdict"', b'"verdict": "ready",\n "verdict"', 1)
    assert json.loads(twice)["verdict"] == "review"
    assert sign.file_signature_status(twice, "report", KEY.public) is SignatureStatus.CHANGED


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"a": NaN}'])
def test_what_is_no_document_is_changed_and_no_defect(content: bytes) -> None:
    assert sign.file_signature_status(content, "report", KEY.public) is SignatureStatus.CHANGED


def test_a_public_key_goes_out_and_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "pub.pem"
    file.write_bytes(KEY.pem())
    assert list(sign.trusted([file])) == [KEY.id]
    assert b"PRIVATE" not in KEY.pem()
    for content in (b"", KEY.pem()[:40]):
        file.write_bytes(content)
        with pytest.raises(UsageError, match="not a public key"):
            sign.read_public(file)
    with pytest.raises(UsageError, match="does not exist"):
        sign.read_public(tmp_path / "gone.pem")
