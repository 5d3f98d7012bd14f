"""The audit of the written bytes: whatever is added, taken away or changed must be noticed."""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from anonymizer.core.types import Check, Kind, Pixels, Redaction, Result, Shape, Style, Traces
from anonymizer.verify import integrity, naming
from anonymizer.verify import jpeg as jpeg_audit
from anonymizer.verify.photo import Expected, audit, decode, examine, structure
from anonymizer.verify.strength import Bound
from anonymizer.write.photo import NEUTRAL_TIME, write_photo
from leaky import LEAKY, chunk, jpeg, picture, saved, segment

SIZE = (96, 64)


def written(pixels: Pixels, form: str, folder: Path, quality: int = 95) -> bytes:
    path = folder / f"written-{os.urandom(4).hex()}.{form.lower()}"
    write_photo(pixels, path, form, quality)
    return path.read_bytes()


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small photo as the program writes it, in both formats."""
    folder = tmp_path_factory.mktemp("clean")
    pixels = np.asarray(picture(*SIZE).resize(SIZE))
    noise = np.random.default_rng(0).integers(-20, 20, pixels.shape)
    pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    return {form: written(pixels, form, folder) for form in ("JPEG", "PNG")}


def judged(data: bytes, form: str) -> list[Check]:
    return [structure(data, form), integrity.check(data, integrity.decoded(data), SIZE, same=False)]


def noticed(data: bytes, form: str) -> bool:
    return any(check.result is Result.FAIL for check in judged(data, form))


def boundaries(data: bytes) -> list[int]:
    """Where a segment may stand in a JPEG: before each marker up to the scan."""
    at, places = 2, [2]
    while data[at + 1] != 0xDA:
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
        places.append(at)
    return places


def chunk_places(data: bytes) -> list[int]:
    at, places = 8, [8]
    while at < len(data):
        at += 12 + struct.unpack_from(">I", data, at)[0]
        places.append(at)
    return places


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_what_the_writer_writes_passes(clean: dict[str, bytes], form: str) -> None:
    assert [check.result for check in judged(clean[form], form)] == [Result.PASS] * 2


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@given(tail=st.binary(min_size=1, max_size=40))
def test_bytes_behind_the_end_are_noticed(clean: dict[str, bytes], form: str, tail: bytes) -> None:
    assert structure(clean[form] + tail, form).result is Result.FAIL


@given(data=st.data(), marker=st.integers(0x01, 0xFE), body=st.binary(max_size=80))
def test_any_segment_put_into_a_jpeg_is_noticed(
    clean: dict[str, bytes], data: st.DataObject, marker: int, body: bytes
) -> None:
    good = clean["JPEG"]
    at = data.draw(st.sampled_from(boundaries(good)))
    assert noticed(good[:at] + segment(marker, body) + good[at:], "JPEG")


@given(data=st.data(), number=st.integers(0, 3), body=st.binary(min_size=64, max_size=64))
def test_a_surplus_quantisation_table_is_noticed(
    clean: dict[str, bytes], data: st.DataObject, number: int, body: bytes
) -> None:
    """64 bytes that no pixel needs may stand in a table that no component uses."""
    good = clean["JPEG"]
    at = data.draw(st.sampled_from(boundaries(good)))
    assert (
        structure(good[:at] + segment(0xDB, bytes([number]) + body) + good[at:], "JPEG").result is Result.FAIL
    )


@given(data=st.data(), number=st.sampled_from([0, 1, 2, 3, 0x10, 0x11, 0x12]), body=st.binary(max_size=200))
def test_a_surplus_huffman_table_is_noticed(
    clean: dict[str, bytes], data: st.DataObject, number: int, body: bytes
) -> None:
    counts = bytes([0] * 7 + [len(body)] + [0] * 8)
    good = clean["JPEG"]
    at = data.draw(st.sampled_from(boundaries(good)))
    table = segment(0xC4, bytes([number]) + counts + body)
    assert structure(good[:at] + table + good[at:], "JPEG").result is Result.FAIL


def test_a_restart_interval_is_noticed(clean: dict[str, bytes]) -> None:
    good = clean["JPEG"]
    at = boundaries(good)[1]
    assert structure(good[:at] + segment(0xDD, b"\xca\xfe") + good[at:], "JPEG").result is Result.FAIL


@given(
    data=st.data(),
    name=st.binary(min_size=4, max_size=4)
    | st.sampled_from([b"tEXt", b"IDAT", b"IHDR", b"IEND", b"gAMA", b"pHYs"]),
    body=st.binary(max_size=40),
)
def test_any_chunk_put_into_a_png_is_noticed(
    clean: dict[str, bytes], data: st.DataObject, name: bytes, body: bytes
) -> None:
    good = clean["PNG"]
    assume(body or name != b"IDAT")
    at = data.draw(st.sampled_from(chunk_places(good)))
    assert noticed(good[:at] + chunk(name, body) + good[at:], "PNG")


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@given(cut=st.floats(0, 0.9999))
def test_truncation_is_noticed(clean: dict[str, bytes], form: str, cut: float) -> None:
    assert noticed(clean[form][: int(cut * len(clean[form]))], form)


@given(data=st.data())
def test_bytes_cut_out_of_a_png_are_noticed(clean: dict[str, bytes], data: st.DataObject) -> None:
    good = clean["PNG"]
    start = data.draw(st.integers(0, len(good) - 1))
    end = data.draw(st.integers(start + 1, len(good)))
    assert noticed(good[:start] + good[end:], "PNG")


@given(data=st.data())
def test_bytes_cut_out_of_a_jpegs_header_are_noticed(clean: dict[str, bytes], data: st.DataObject) -> None:
    good = clean["JPEG"]
    start = data.draw(st.integers(0, boundaries(good)[-1] - 1))
    end = data.draw(st.integers(start + 1, boundaries(good)[-1]))
    assert noticed(good[:start] + good[end:], "JPEG")


@given(data=st.data(), value=st.integers(0, 255))
def test_a_changed_byte_in_a_png_is_noticed(clean: dict[str, bytes], data: st.DataObject, value: int) -> None:
    good = clean["PNG"]
    at = data.draw(st.integers(0, len(good) - 1))
    assume(good[at] != value)
    assert noticed(good[:at] + bytes([value]) + good[at + 1 :], "PNG")


@given(payload=st.binary(min_size=24, max_size=300))
def test_bytes_hidden_behind_the_last_block_of_a_scan_are_noticed(
    clean: dict[str, bytes], payload: bytes
) -> None:
    good = clean["JPEG"]
    hidden = good[:-2] + payload.replace(b"\xff", b"\xfe") + good[-2:]
    assert structure(hidden, "JPEG").result is Result.PASS, "no marker shows them"
    assert integrity.check(hidden, integrity.decoded(hidden), SIZE, same=False).result is Result.FAIL


@pytest.mark.parametrize("payload", [b"x", b"\0" * 40])
def test_surplus_compressed_data_in_a_png_are_noticed(clean: dict[str, bytes], payload: bytes) -> None:
    good = clean["PNG"]
    end = good.rindex(b"IEND") - 4
    assert structure(good[:end] + chunk(b"IDAT", payload) + good[end:], "PNG").result is Result.FAIL


@pytest.mark.parametrize("name", [name for name, leak in LEAKY.items() if leak.form in ("JPEG", "PNG")])
def test_every_leaky_file_fails(name: str) -> None:
    check = structure(LEAKY[name].content, LEAKY[name].form)
    assert check.result is Result.FAIL
    assert "CANARY" not in str(check.evidence)


@given(data=st.binary(max_size=200), form=st.sampled_from(["JPEG", "PNG"]))
def test_random_bytes_fail_and_never_raise(data: bytes, form: str) -> None:
    assert all(check.result is Result.FAIL for check in judged(data, form))


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@given(data=st.data())
def test_mutated_files_never_raise(clean: dict[str, bytes], form: str, data: st.DataObject) -> None:
    damaged = bytearray(clean[form])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    judged(bytes(damaged), form)


FLAT = {
    "white": np.full((700, 900, 3), 255, np.uint8),
    "black": np.zeros((700, 900, 3), np.uint8),
    "grey": np.full((701, 899, 3), 128, np.uint8),
    "one pixel": np.full((1, 1, 3), 9, np.uint8),
    "one row": np.full((1, 3000, 3), 200, np.uint8),
    "one column": np.full((3000, 1, 3), 200, np.uint8),
    "odd": np.full((17, 33, 3), 77, np.uint8),
    "slope": np.repeat(np.linspace(0, 255, 900).astype(np.uint8)[None, :, None], 700, 0).repeat(3, 2),
    "black below": np.concatenate([np.full((400, 900, 3), 255), np.zeros((300, 900, 3))]).astype(np.uint8),
    "noise": np.random.default_rng(1).integers(0, 256, (300, 400, 3), dtype=np.uint8),
    "saturated": np.random.default_rng(1).choice(np.uint8([0, 255]), (128, 128, 3)),
}


@pytest.mark.parametrize("quality", [70, 95, 100])
@pytest.mark.parametrize("name", FLAT)
def test_flat_and_odd_pictures_raise_no_false_alarm(name: str, quality: int, tmp_path: Path) -> None:
    pixels = FLAT[name]
    size = pixels.shape[1], pixels.shape[0]
    data = written(pixels, "JPEG", tmp_path, quality)
    assert structure(data, "JPEG").result is Result.PASS
    assert integrity.check(data, integrity.decoded(data), size, same=False).result is Result.PASS


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (1100, 1000)])
def test_png_of_any_size_passes(size: tuple[int, int], tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    data = written(pixels, "PNG", tmp_path)
    assert structure(data, "PNG").result is Result.PASS
    assert np.array_equal(integrity.decoded(data), pixels), "PNG is written without loss"


def test_jpeg_is_written_close_to_the_pixels(portrait: Pixels, tmp_path: Path) -> None:
    back = integrity.decoded(written(portrait, "JPEG", tmp_path))
    assert cv2.PSNR(back, portrait) > 38


@given(st.integers(1, 400), st.integers(1, 400))
def test_the_audit_reads_the_size(width: int, height: int) -> None:
    assert jpeg_audit.walk(strip_to_jfif(jpeg(Image.new("RGB", (width, height)))))["width"] == width
    facts = structure(saved(Image.new("RGB", (width, height)), "PNG"), "PNG").data
    assert (facts["width"], facts["height"]) == (width, height)


def strip_to_jfif(data: bytes) -> bytes:
    """Pillow's plain JPEGs are what the audit allows already; this only says so."""
    assert data[6:11] == b"JFIF\0"
    return data


def test_another_size_and_the_sources_own_bytes_fail(clean: dict[str, bytes]) -> None:
    data = clean["JPEG"]
    pixels = integrity.decoded(data)
    assert integrity.check(data, pixels, (SIZE[0] + 1, SIZE[1]), same=False).result is Result.FAIL
    assert integrity.check(data, pixels, SIZE, same=True).result is Result.FAIL


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_audit_of_a_published_file(kind: str, clean: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / ("abc.jpg" if kind == "JPEG" else "abc.png")
    path.write_bytes(clean[kind])
    os.utime(path, (NEUTRAL_TIME, NEUTRAL_TIME))
    assert {check.result for check in audit(path)} <= {Result.PASS, Result.SKIPPED}


def test_a_telling_name_or_time_fails(clean: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "k3j4x.jpg"
    path.write_bytes(clean["JPEG"])
    assert naming.check(path, keep_name=False).result is Result.FAIL, "the time is today's"
    os.utime(path, (NEUTRAL_TIME, NEUTRAL_TIME))
    assert naming.check(path, keep_name=False).result is Result.PASS
    named = path.rename(tmp_path / "Mustermann 1970.jpg")
    check = naming.check(named, keep_name=False)
    assert check.result is Result.FAIL and "Mustermann" not in str(check.evidence)
    assert naming.check(named, keep_name=True).result is Result.PASS


def test_an_extended_attribute_fails(clean: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "k3j4x.jpg"
    path.write_bytes(clean["JPEG"])
    try:
        os.setxattr(path, "user.xdg.origin.url", b"https://example.org/patient/4711")
    except (AttributeError, OSError) as error:
        pytest.skip(f"this file system keeps no extended attributes ({error})")
    os.utime(path, (NEUTRAL_TIME, NEUTRAL_TIME))
    check = naming.check(path, keep_name=False)
    assert check.result is Result.FAIL and "4711" not in str(check.evidence)


ORIGIN = ["security.selinux", "user.origin"]


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("standing", list(naming.Standing))
@pytest.mark.parametrize("neutral_time", [False, True])
@pytest.mark.parametrize("attributes", [[], ["system.posix_acl_access"], ORIGIN])
@pytest.mark.parametrize("name", ["k3j4x.jpg", "k3-4.png", "k.mp4", "Anna.jpg", "anna.jpeg", "anna jpg"])
def test_what_a_name_and_a_time_and_attributes_say(
    name: str,
    attributes: list[str],
    neutral_time: bool,
    standing: naming.Standing,
    keep: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / name
    path.write_bytes(b"x")
    time = NEUTRAL_TIME if neutral_time else NEUTRAL_TIME + 1
    os.utime(path, (time, time))
    monkeypatch.setattr(os, "listxattr", lambda _: attributes, raising=False)
    wrong, remarks = [], []
    if not keep and name not in ("k3j4x.jpg", "k3-4.png", "k.mp4"):
        wrong.append("check.name-not-neutral")
    if not neutral_time:
        new = standing is naming.Standing.NEW
        (wrong if new else remarks).append("check.time-not-neutral" if new else "check.time-of-copy")
    if attributes == ORIGIN:
        copy = standing is naming.Standing.COPY
        (remarks if copy else wrong).append("check.attributes-of-copy" if copy else "check.attributes")
    check = naming.check(path, keep, standing)
    told = check.evidence.values.get("what", ())
    assert isinstance(told, tuple)
    assert [one.code for one in told] == (wrong or remarks)  # type: ignore[union-attr]
    if wrong:
        assert check.result is Result.FAIL
        return
    copied = "check.naming.copied-kept" if keep else "check.naming.copied"
    plain = "check.naming.kept" if keep else "check.naming.passed"
    assert (check.result, check.evidence.code) == (Result.PASS, copied if remarks else plain)
    assert check.data == ({"remark": True} if remarks else {})


def test_where_python_cannot_ask_for_attributes_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "listxattr", raising=False)
    assert naming.attributes(tmp_path) == []


def test_the_integrity_check_names_what_is_wrong(clean: dict[str, bytes]) -> None:
    data = clean["JPEG"]
    pixels = integrity.decoded(data)
    codes = {
        "check.no-decode": integrity.check(data, integrity.decoded(b"nothing"), SIZE, same=False),
        "check.picture-size": integrity.check(data, pixels, (SIZE[0], SIZE[1] + 1), same=True),
        "check.is-source": integrity.check(data, pixels, None, same=True),
        "check.coded-trailing": integrity.check(data[:-2] + bytes(40) + data[-2:], pixels, SIZE, same=False),
        "check.decodes": integrity.check(data, pixels, None, same=False),
    }
    for code, check in codes.items():
        assert (check.evidence.code, check.result is Result.PASS) == (code, code == "check.decodes")
    # A PNG's end is the structure's affair: nothing is changed in it to see what follows.
    png = clean["PNG"]
    assert integrity.check(png, integrity.decoded(png), SIZE, same=False).result is Result.PASS


@pytest.mark.parametrize(
    ("by", "differs"), [(0, False), (integrity.ROUNDING, False), (integrity.ROUNDING + 1, True)]
)
def test_two_decoders_may_differ_by_a_rounding(
    clean: dict[str, bytes], by: int, differs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.full((40, 30, 3), 100, np.uint8)
    other = np.full((32, 30, 3), 100, np.uint8)
    other[-1, -1, 0] += by
    monkeypatch.setattr(integrity, "_bottom", lambda _: other)
    assert integrity._differs(b"", pixels) is differs
    assert integrity._differs(b"", pixels[:, :29]), "another size is another picture"


def test_what_pillow_cannot_read_differs(clean: dict[str, bytes]) -> None:
    pixels = integrity.decoded(clean["JPEG"])
    assert not integrity._differs(clean["JPEG"], pixels)
    assert integrity._differs(b"nothing", pixels)


def test_an_audit_tells_png_from_jpeg_by_its_first_bytes(clean: dict[str, bytes], tmp_path: Path) -> None:
    for form, data in clean.items():
        path = tmp_path / "abc.jpg"
        path.write_bytes(data)
        os.utime(path, (NEUTRAL_TIME, NEUTRAL_TIME))
        checks = {check.name: check for check in audit(path)}
        assert set(checks) == {"structure", "integrity", "name-and-times", "second-opinion"}
        assert checks["structure"].evidence.values["format"] == form


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_every_check_of_a_written_photo_in_the_reports_order(
    clean: dict[str, bytes], tmp_path: Path, form: str
) -> None:
    path = tmp_path / f"abc.{'jpg' if form == 'JPEG' else 'png'}"
    path.write_bytes(clean[form])
    os.utime(path, (NEUTRAL_TIME, NEUTRAL_TIME))
    pixels = decode(path)

    def results(
        sha256: str = "0" * 64,
        size: tuple[int, int] = SIZE,
        strings: tuple[str, ...] = (),
        hidden: tuple[Redaction, ...] = (),
    ) -> dict[str, Result]:
        traces = Traces((), frozenset(strings))
        expected = Expected(form, size, hidden, [], sha256, traces, False, Bound(4, 80.0), pixels)
        return {check.name: check.result for check in examine(path, expected, pixels)}

    names = ["structure", "integrity", "strength", "name-and-times", "canaries", "second-opinion"]
    assert list(results()) == names
    assert set(results().values()) <= {Result.PASS, Result.SKIPPED}
    own = hashlib.sha256(clean[form]).hexdigest()
    assert results(own)["integrity"] is Result.PASS, "an output given again, with nothing to hide"
    filled = Redaction(Kind.TEXT, Shape.BOX, Style.FILL, (4, 4, 20, 12), (1, 1), ())
    assert results(own, hidden=(filled,))["integrity"] is Result.FAIL, "the source's own bytes"
    assert results(size=(SIZE[1], SIZE[0]))["integrity"] is Result.FAIL
    assert results(strings=("Mustermann",))["canaries"] is Result.PASS
    assert results(strings=(clean[form][20:30].decode("latin-1"),))["canaries"] is Result.FAIL
    path.write_bytes(b"no picture of anything")
    os.utime(path, (NEUTRAL_TIME, NEUTRAL_TIME))
    expected = Expected(form, SIZE, [], [], "", Traces(), False, Bound(4, 80.0), pixels)
    checks = {check.name: check.result for check in examine(path, expected, decode(path))}
    assert list(checks) == [name for name in names if name != "strength"], "nothing can be measured"
    assert checks["structure"] is checks["integrity"] is Result.FAIL
