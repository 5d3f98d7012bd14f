"""The de-identified DICOM beside a picture: what is in it, what can be, and that the two go everywhere together."""

from __future__ import annotations

import functools
import io
import json
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from anonymizer.core.dicom import DicomSource
from anonymizer.core.errors import DecisionError, OutputError
from anonymizer.core.message import Message
from anonymizer.core.settings import Settings
from anonymizer.core.types import Processed, Result, Traces, Verdict
from anonymizer.gate.decisions import approve, reject, reopen
from anonymizer.gate.files import NEUTRAL_TIME
from anonymizer.gate.folder import Gate
from anonymizer.gate.forgetting import forget, forgettable
from anonymizer.gate.records import State
from anonymizer.read import believed
from anonymizer.release.check import verify
from anonymizer.release.ledger_check import chain_flaws
from anonymizer.release.publish import release
from anonymizer.review.handing import _packed
from anonymizer.road import companion
from anonymizer.road.pipeline import Session
from anonymizer.verify import dcmdump, dicom
from anonymizer.verify.jpeg import StructureError
from anonymizer.verify.naming import Standing
from anonymizer.write.dicom import write_dicom
from anonymizer.write.photo import write_photo
from conftest import QUICK, Ran, everything_written
from killed import killed_after, needs_fork
from test_dicom import PLANES, made, stored
from test_dicom_road import SECRETS

LATER = "9999-01-01T00:00:00+00:00"
UNKNOWN_SIDE = 0x00200060
SAYS = DicomSource("1.2.3", "1.2.4", "1.2.5", "DX", "CHEST", "L", "L\\F", 3, 12)
NOTHING = dict.fromkeys(DicomSource.__slots__, "")


def study(number: int) -> bytes:
    """One picture of a study that says all that one can say of itself."""
    uids = {"StudyInstanceUID": "1.2.276.0.77.1", "SeriesInstanceUID": "1.2.276.0.77.2"}
    data = made(PLANES + np.uint8(number), "RGB", **uids)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = f"1.2.276.0.77.3.{number}"
    data.Modality, data.BodyPartExamined, data.ImageLaterality = "XC", "ARM MARTHA", "L"
    data.InstanceNumber, data.SeriesNumber = number, 20240131
    return stored(data)


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of one study, and a photo, with their DICOM where there is one: all wait for a person."""
    folder = tmp_path_factory.mktemp("made")
    sources = [folder / name for name in ("Muestermann.dcm", "Muestermann2.dcm", "photo.jpg")]
    for number, source in enumerate(sources[:2]):
        source.write_bytes(study(number))
    Image.fromarray(PLANES).save(sources[2])
    with Session(folder / "out", QUICK.model_copy(update={"dicom": True})) as session:
        found = [session.run(source) for source in sources]
    assert [one.companion and one.companion.name for one in found] == [
        f"{found[0].id}.dcm",
        f"{found[1].id}.dcm",
        None,
    ]
    return folder / "out"


@pytest.fixture
def out(waiting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and no program of others that is asked about its files once more."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    return Path(shutil.copytree(waiting, tmp_path / "out"))


def ids(out: Path) -> list[str]:
    with Gate(out) as gate:
        return [entry.id for entry in gate.ledger.entries()]


def files(out: Path, id: str) -> list[str]:
    """Where the picture and the DICOM of an output stand."""
    found = (path.relative_to(out) for path in out.rglob(f"{id}.*") if path.suffix in (".jpg", ".dcm"))
    return sorted(path.as_posix() for path in found if "thumbnails" not in path.parts)


def pair(folder: str, id: str) -> list[str]:
    return [f"{folder}/{id}.dcm", f"{folder}/{id}.jpg"]


def test_it_holds_the_picture_and_what_the_profile_leaves(waiting: Path) -> None:
    first, second, photo = ids(waiting)
    said = [json.loads((waiting / "reports" / f"{id}.json").read_bytes()) for id in (first, second, photo)]
    for id, report in zip((first, second), said, strict=False):
        results = {check["name"]: check["result"] for check in report["checks"]}
        assert {"dicom-structure", "dicom-picture", "dicom-canaries", "dicom-second-reader"} <= set(results)
        assert set(results.values()) <= {"pass", "skipped"}
        codes = {check["name"]: check["evidence"]["code"] for check in report["checks"]}
        assert codes["dicom-picture"] == "check.dicom-picture.passed"
        assert report["companion"]["name"] == f"{id}.dcm"
        assert report["companion"]["sha256"] in (waiting / "reports" / f"{id}.html").read_text()
    data, other = (pydicom.dcmread(waiting / "review" / f"{id}.dcm") for id in (first, second))
    picture = np.asarray(Image.open(waiting / "review" / f"{first}.jpg").convert("RGB"))
    assert np.abs(data.pixel_array.astype(int) - picture).max() <= 1
    assert data.preamble == bytes(128) and not any(tag.is_private for tag in data)
    kept = (data.Modality, data.ImageLaterality, data.InstanceNumber, data.get("SeriesNumber"))
    assert kept == ("XC", "L", 0, None) and "BodyPartExamined" not in data
    assert (data.PatientIdentityRemoved, data.PatientName, data.StudyDate) == ("YES", "", "")
    # Text was not searched for, so nothing is said of burned-in words.
    assert [item.CodeValue for item in data.DeidentificationMethodCodeSequence] == ["113100"]
    assert "BurnedInAnnotation" not in data
    alike = ("StudyInstanceUID", "SeriesInstanceUID", "PatientID")
    assert [data[name].value for name in alike] == [other[name].value for name in alike]
    assert data.SOPInstanceUID != other.SOPInstanceUID
    everything = everything_written(waiting)
    assert not any(secret.encode() in everything for secret in (*SECRETS[:4], "1.2.276", "ARM MARTHA"))
    assert said[2]["companion"] is None
    assert "notes.dicom-none" in [note["code"] for note in said[2]["notes"]]
    assert not files(waiting, photo)[1:]


def test_both_go_everywhere_together(out: Path, tmp_path: Path, run: Callable[..., Ran]) -> None:
    id, other, _ = ids(out)
    with Gate(out) as gate:
        for one in (id, other):
            approve(gate, one, "AB")
        assert files(out, id) == pair("ready", id)
        assert list(chain_flaws(gate, gate.public_keys)) == []
        with zipfile.ZipFile(_packed(gate, (id,))) as archive:
            assert sorted(archive.namelist()) == [f"{id}.dcm", f"{id}.jpg"]
    to = tmp_path / "website"
    done = release(out, to, ids=[id])
    assert (done.copied, done.held) == ((f"{id}.jpg",), ())
    assert {path.name for path in to.glob("*.*")} == {f"{id}.jpg", f"{id}.dcm", "manifest.json"}
    for path in (out, to, to / f"{id}.jpg", to / f"{id}.dcm"):
        assert run("verify", path).code == 0, path
    assert release(out, to, ids=[id]).there == (f"{id}.jpg",)
    # Cut off before the picture came: the next one brings it.
    (to / f"{id}.jpg").unlink()
    assert release(out, to, ids=[id]).copied == (f"{id}.jpg",)
    with Gate(out) as gate:
        reopen(gate, id, "AB")
        assert files(out, id) == pair("review", id)
        reject(gate, id, "AB")
        assert files(out, id) == pair(".anonymizer/rejected", id)
    assert release(out, to).held[0][0] in (f"{id}.jpg", f"{id}.dcm")
    assert f"{id}.dcm" not in (to / "manifest.json").read_text()
    with Gate(out) as gate:
        assert forget(gate, forgettable(gate, LATER)) == 2
        assert files(out, id) == []
        gate.retire(other)
        assert files(out, other) == []


def test_what_is_not_the_dicom_that_was_checked_is_found(
    out: Path, tmp_path: Path, run: Callable[..., Ran]
) -> None:
    id, other, _ = ids(out)
    with Gate(out) as gate:
        approve(gate, id, "AB")
    to = tmp_path / "website"
    release(out, to)
    alone = tmp_path / "alone"
    (alone / "reports").mkdir(parents=True)
    shutil.copy(to / f"{id}.jpg", alone)
    shutil.copy(to / "reports" / f"{id}.json", alone / "reports")
    assert "published.companion-missing" in run("verify", alone / f"{id}.jpg", "--json").out
    assert run("verify", alone / f"{id}.jpg").code == 0, "a picture may be handed on by itself"
    for folder in (out / "ready", to):
        dicom_file = folder / f"{id}.dcm"
        content = dicom_file.read_bytes()
        # The same picture under another modality: sound, and not what was signed.
        dicom_file.write_bytes(content.replace(b"CS\x02\0XC", b"CS\x02\0CT"))
        assert verify(folder / f"{id}.jpg").verdict is Verdict.FAILED
        assert run("verify", dicom_file).code != 0
    (to / f"{id}.dcm").unlink()
    assert run("verify", to).code != 0
    with Gate(out) as gate:
        entry = gate.ledger.get(id)
        assert entry
        assert gate.flaw(entry) == Message("folder.companion-altered")
        assert [flaw.said.code for flaw in chain_flaws(gate, gate.public_keys)] == ["ledger-check.other-file"]
        with pytest.raises(DecisionError):
            reopen(gate, id, "AB")
        (out / "ready" / f"{id}.dcm").unlink()
        assert gate.flaw(entry) == Message("folder.file-missing")
        shutil.copy(out / "review" / f"{other}.jpg", out / "review" / f"{other}.dcm")
        with pytest.raises(DecisionError):
            approve(gate, other, "AB")
    assert release(out, tmp_path / "again").copied == ()


def begun(out: Path, id: str) -> Callable[[], Path]:
    return functools.partial(approve, Gate(out), id, "AB")


@needs_fork
def test_a_decision_killed_anywhere_leaves_both_in_one_place(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anonymizer.gate.decisions.audit", lambda *_: [])
    id, *_ = ids(out)
    halves, there = 0, tmp_path / "there"
    for steps in range(1, 60):
        shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(out, there)
        killed = killed_after(steps, functools.partial(begun, there, id))
        halves += files(there, id) not in (pair("ready", id), pair("review", id))
        with Gate(there) as gate:
            entry = gate.ledger.get(id)
            assert entry and files(there, id) == pair(entry.state.value, id)
            assert gate.flaw(entry) is None
        if not killed:
            break
    assert halves and not killed, "killed at too few places to mean anything"


def test_what_cannot_be_moved_goes_back_with_its_picture(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    id, *_ = ids(out)

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with Gate(out) as gate:
        monkeypatch.setattr(type(gate.ledger), "decide", fails)
        with pytest.raises(OutputError):
            approve(gate, id, "AB")
        assert files(out, id) == pair("review", id)
        entry = gate.ledger.get(id)
        assert entry and entry.state is State.REVIEW


def test_no_name_is_given_twice_to_pairs(tmp_path: Path) -> None:
    with Gate(tmp_path / "out") as gate:
        first, second, third = (gate.begin(Path("/x"), "settings") for _ in range(3))
        assert gate.take_name(first, "IMG", "png") == "IMG.png"
        assert gate.take_name(second, "IMG", "jpg", companion=True) == "IMG-2.jpg"
        (gate.ready / "IMG-3.dcm").touch()
        assert gate.take_name(third, "IMG", "jpg", companion=True) == "IMG-4.jpg"


# What is written


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("picture") / "a.jpg"
    write_photo(np.full((16, 24, 3), 120, np.uint8), path, "JPEG", 95)
    return path.read_bytes()


def written(path: Path, picture: bytes, says: DicomSource = SAYS, secret: bytes = b"k", **more: Any) -> bytes:
    path.unlink(missing_ok=True)
    write_dicom(picture, (24, 16), says, "ab" * 32, secret, path, **{"words_hidden": True} | more)
    return path.read_bytes()


def test_every_attribute_is_on_the_list(picture: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    data = written(path, picture)
    found = dicom.walk(data)
    assert (found.picture, found.width, found.height) == (picture, 24, 16)
    # Which side it is stands in the one element, or that it is not known in the other.
    assert set(found.tags) == (set(dicom.META) | set(dicom.ELEMENTS)) - {UNKNOWN_SIDE}
    assert path.stat().st_mtime == NEUTRAL_TIME and path.stat().st_mode & 0o77 == 0
    said = pydicom.dcmread(io.BytesIO(data))
    assert [item.CodeValue for item in said.DeidentificationMethodCodeSequence] == ["113100", "113101"]
    assert (said.BurnedInAnnotation, said.BodyPartExamined, said.SeriesNumber) == ("NO", "CHEST", 3)
    assert {result.result for result in dicom.examine(path, picture, frozenset({"CHEST"}))} <= {
        Result.PASS,
        Result.SKIPPED,
    }
    bare = dicom.walk(written(path, picture, DicomSource(), words_hidden=False))
    assert set(dicom.ELEMENTS) - set(bare.tags) == {
        tag for tag, rule in dicom.ELEMENTS.items() if not rule.needed and tag != UNKNOWN_SIDE
    }
    for part, there in (("HAND", True), ("CHEST", False)):
        tags = dicom.walk(written(path, picture, DicomSource(body_part=part))).tags
        assert (UNKNOWN_SIDE in tags) is there


def test_identifiers_follow_from_the_secret_and_the_source(picture: bytes, tmp_path: Path) -> None:
    def uids(says: DicomSource, secret: bytes = b"k") -> tuple[bytes, ...]:
        return dicom.walk(written(tmp_path / "a.dcm", picture, says, secret)).free

    same = uids(SAYS)
    assert same == uids(SAYS) and not set(same[:5]) & set(uids(SAYS, b"other")[:5])
    # Neither a series nor a picture of another study is taken for one of this, whatever its identifier.
    other = uids(DicomSource("1.2.9", SAYS.series, SAYS.instance))
    assert not set(same[2:5]) & set(other[2:5])
    nothing = uids(DicomSource())
    assert len({*same, *nothing}) > len(same)


def test_one_changed_byte_anywhere_is_found(picture: bytes, tmp_path: Path) -> None:
    data = written(tmp_path / "a.dcm", picture)
    assert len(data) > 1000
    for at in range(data.index(picture)):
        with pytest.raises(StructureError):
            dicom.walk(data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :])


def inserted(tag: int, vr: bytes, value: bytes) -> Callable[[bytes], bytes]:
    """An element in the place in which it belongs."""

    def change(data: bytes) -> bytes:
        element = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value
        at = len(data) - len(data[data.index(b"\xe0\x7f\x10\0OB") :])
        if tag >> 16 < 0x0010:
            at = data.index(b"\x08\0\x60\0CS")
        return data[:at] + element + data[at:]

    return change


def swapped(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        assert data.count(old) == 1
        return data.replace(old, new)

    return change


def odd(data: bytes) -> bytes:
    """The picture's item without its last byte."""
    at = data.index(b"\xff\xd8\xff\xe0") - 4
    (length,) = struct.unpack_from("<I", data, at)
    return data[:at] + struct.pack("<I", length - 1) + data[at + 4 : -9] + data[-8:]


NO_WORDS = b"\x28\0\x01\x03CS\x02\0NO"
WRONG: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a name": (inserted(0x00080051, b"LO", b"Meyer "), "dcm.element"),
    "a private element": (inserted(0x30090010, b"LO", b"MAKER "), "dcm.element"),
    "an overlay": (inserted(0x60003000, b"OW", b""), "dcm.element"),
    "padding behind the picture": (lambda data: data + b"\xfc\xff\xfc\xffOB\0\0\2\0\0\0ab", "dcm.trailing"),
    "a second picture": (
        lambda data: data[:-8] + struct.pack("<HHI", 0xFFFE, 0xE000, 2) + b"ab" + data[-8:],
        "dcm.cut",
    ),
    "an end that holds something": (lambda data: data[:-4] + struct.pack("<I", 2) + b"ab", "dcm.value"),
    "a picture of odd length": (odd, "dcm.value"),
    "nothing behind an empty element": (
        lambda data: data[: data.index(b"\x08\0\x20\0DA\0\0") + 8],
        "dcm.missing",
    ),
    "no end": (lambda data: data[:-8], "dcm.cut"),
    "half of an element": (lambda data: data[:140], "dcm.cut"),
    "an offset": (
        swapped(b"\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0", b"\xff\xff\xff\xff\xfe\xff\0\xe0\4\0\0\0\0\0\0\0"),
        "dcm.value",
    ),
    "a preamble": (lambda data: b"II*\0" + data[4:], "dcm.start"),
    "no modality": (swapped(b"\x08\0\x60\0CS\2\0DX", b""), "dcm.missing"),
    "a modality that there is not": (swapped(b"CS\2\0DX", b"CS\2\0QQ"), "dcm.value"),
    "words, and a code that there are none": (swapped(NO_WORDS, b""), "dcm.value"),
    "another size": (swapped(b"US\2\0\x18\0", b"US\2\0\x19\0"), "dcm.size"),
    "a head of another picture": (
        lambda data: data[:228] + bytes([data[228] ^ 1]) + data[229:],
        "dcm.head",
    ),
    "a longer head": (lambda data: data[:140] + bytes([data[140] + 2]) + data[141:], "dcm.head"),
    "an element twice": (
        swapped(b"\x28\0\x10\0US\2\0\x10\0", 2 * b"\x28\0\x10\0US\2\0\x10\0"),
        "dcm.element",
    ),
    "a picture that is none": (lambda data: data.replace(b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1"), "jpeg."),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_must_not_be_there_is_named(
    name: str, picture: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    change, code = WRONG[name]
    data = change(written(tmp_path / "a.dcm", picture))
    with pytest.raises(StructureError) as found:
        dicom.walk(data)
    assert found.value.message.code.startswith(code)
    (tmp_path / "a.dcm").write_bytes(data)
    structure, same, *_ = dicom.examine(tmp_path / "a.dcm", picture, frozenset())
    assert structure.result is Result.FAIL and same.result is Result.FAIL


def test_what_was_handed_out_is_asked_again(picture: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    data = written(path, picture)
    results = {check.name: check.result for check in dicom.audit(path, False, Standing.NEW)}
    assert results.pop("dicom-second-reader") in (Result.PASS, Result.SKIPPED)
    assert results == {"dicom-structure": Result.PASS, "name-and-times": Result.PASS}
    path.write_bytes(data + b"x")
    structure, naming, _ = dicom.audit(path, False, Standing.NEW)
    assert (structure.result, naming.result) == (Result.FAIL, Result.FAIL), "and its time is another"


def test_another_picture_and_a_word_of_the_source_fail(picture: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    found = dicom.walk(written(path, picture))
    name = found.free[2].decode()
    _, same, words, _ = dicom.examine(path, picture[:-2], frozenset({name[:9]}))
    assert (same.result, words.result) == (Result.FAIL, Result.FAIL)
    path.write_bytes(path.read_bytes() + b"Meyer")
    assert dicom.examine(path, picture, frozenset({"Meyer"}))[2].result is Result.FAIL


def test_what_cannot_be_written_is_said(picture: bytes, tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_dicom(picture, (24, 16), SAYS, "", b"", tmp_path / "no" / "b.dcm", words_hidden=True)


def test_a_second_reader_is_heard(picture: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.dcm"
    tags = dicom.walk(written(path, picture)).tags
    if shutil.which("dcmdump"):
        assert dcmdump.check(path, tags).result is Result.PASS
        assert dcmdump.check(path, tags[1:]).result is Result.FAIL
        path.write_bytes(path.read_bytes()[:-9])
        assert dcmdump.check(path, tags).result is Result.FAIL
    lines = b"".join(b"(%04x,%04x) XX\n  (fffe,e000) na\n" % (tag >> 16, tag & 0xFFFF) for tag in tags)

    def answers(output: bytes, status: int = 0) -> Result:
        monkeypatch.setattr(dcmdump, "run", lambda *_, **__: (output, status))
        return dcmdump.check(path, tags).result

    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert answers(lines + b"(fffe,e0dd) na\n") is Result.PASS
    assert answers(lines, 1) is answers(b"W: odd length\n" + lines) is Result.FAIL
    assert answers(b"") is answers(lines, dcmdump.CANNOT_CONFINE) is Result.FAIL
    assert dcmdump.check(path, tags).evidence == Message("check.dcmdump-unconfined")
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert dcmdump.check(path, tags).result is Result.SKIPPED


def test_only_the_standards_words_are_believed() -> None:
    good = {"study": "1.2.3", "series": "1.2.4", "instance": "1.2.5", "modality": "DX", "body_part": "CHEST",
            "side": "L", "orientation": "L\\F", "series_number": "3", "number": "12"}  # fmt: skip
    assert believed.dicom(good) == SAYS
    for name, bad in {
        "study": "1.2.meyer", "series": "1" * 65, "instance": "1.2\n", "modality": "MARTHA", "body_part": "chest of M",
        "side": "LR", "orientation": "MARTHA\\F", "series_number": "20240131", "number": "-1",
    }.items():  # fmt: skip
        assert not getattr(believed.dicom(good | {name: bad}), name), name
    assert believed.dicom(NOTHING) == DicomSource()
    with pytest.raises(KeyError):
        believed.dicom({})


def test_what_gets_none_is_told_so() -> None:
    clip = Processed(Path("a.mp4"), "clip", "MP4", 2, 2, (), (), Traces())
    asked = Settings(dicom=True)
    assert [note.code for note in companion.notes(clip, asked)] == ["notes.dicom-clip"]
    assert companion.notes(clip, Settings()) == [] and not companion.wanted(clip, asked)
