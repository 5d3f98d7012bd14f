"""The command line from end to end, on real bytes and with the real detectors."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anonymizer import __version__
from anonymizer.core.types import Pixels
from anonymizer.detect.models.manifest import models_version
from anonymizer.report.schema import Report
from anonymizer.road.worker import Worker
from conftest import FAST, SAMPLES, Ran, everything_written, fingerprints, sentences
from leaky import LEAKY, jpeg, picture

Run = Callable[..., Ran]

PLANTED = (
    "Mustermann", "Erika", "Beispiel", "Muster Optik", "PraxisCam", "4711", "2024:05:17", "2024-05-17",
    "01.02.1970", "52.52", "13.405", "Motion photo",
)  # fmt: skip
"""What sample_media/make.py planted in the sample photos."""


@pytest.fixture
def face(portrait: Pixels, tmp_path: Path) -> Path:
    """A portrait with planted traces whose own name is telling too."""
    folder = tmp_path / "Mustermann_Familie"
    folder.mkdir()
    path = folder / "Mustermann_Martha_1970-02-01.jpg"
    path.write_bytes((SAMPLES / "portrait.jpg").read_bytes())
    return path


def plain(path: Path, form: str = "JPEG") -> Path:
    picture().save(path, form)
    return path


def lines(ran: Ran) -> list[dict[str, object]]:
    return [json.loads(line) for line in ran.out.splitlines()]


def test_a_portrait_becomes_ready_and_keeps_nothing_of_its_source(
    run: Run, face: Path, tmp_path: Path
) -> None:
    before = fingerprints(face.parent)
    out = tmp_path / "out"
    ran = run("blur", face, "--out", out)
    assert ran.code == 0, ran.out + ran.err
    assert "1 ready" in ran.out
    assert fingerprints(face.parent) == before, "the original was touched"
    (medium,) = (out / "ready").iterdir()
    report = Report.model_validate_json((out / "reports" / f"{medium.stem}.json").read_bytes())
    assert report.verdict == "ready" and report.reasons == []
    assert report.medium.sha256 == hashlib.sha256(medium.read_bytes()).hexdigest()
    assert {"GPS position", "serial number", "embedded thumbnail"} <= set(report.source_traces)
    assert any(region.kind == "face" for region in report.regions)
    written = everything_written(out)
    for planted in PLANTED:
        for spelt in (planted.encode(), planted.encode("utf-16-le"), planted.encode("utf-16-be")):
            assert spelt not in written, planted
    assert hashlib.sha256(face.read_bytes()).hexdigest().encode() not in written
    assert (out / "reports" / "index.html").is_file()


def test_the_face_is_hidden_and_the_rest_is_left(
    run: Run, face: Path, tmp_path: Path, portrait: Pixels
) -> None:
    assert run("blur", face, "--out", tmp_path / "out", "--text", "none").code == 0
    (medium,) = (tmp_path / "out" / "ready").iterdir()
    with Image.open(medium) as image:
        after = np.asarray(image.convert("RGB")).astype(int)
    change = np.abs(after - portrait.astype(int)).mean(axis=2)
    assert change[150:280, 460:590].mean() > 20, "eyes, nose and mouth"
    assert change[700:, :].mean() < 3, "the suit is as it was"


def test_a_published_file_verifies_until_one_byte_is_changed(run: Run, face: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("blur", face, "--out", out).code == 0
    (medium,) = (out / "ready").iterdir()
    ran = run("verify", medium)
    assert ran.code == 0 and "valid" in ran.out
    ran = run("verify", medium, "--json")
    assert lines(ran)[0]["verdict"] == "ready" and lines(ran)[0]["id"] == medium.stem
    status = medium.stat()
    damaged = bytearray(medium.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    medium.write_bytes(damaged)
    os.utime(medium, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run("verify", medium).code == 4


def test_verifying_what_was_never_published_fails(run: Run, tmp_path: Path) -> None:
    ran = run("verify", plain(tmp_path / "a.jpg"), tmp_path / "gone.jpg", plain(tmp_path / "a.gif", "GIF"))
    assert ran.code == 4
    assert "No report was found" in ran.out
    assert "gone.jpg" in ran.err and "no such file or folder; check the path." in ran.out + ran.err
    assert "never writes" in ran.err


def test_a_renamed_file_does_not_verify(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("blur", plain(tmp_path / "a.jpg"), "--out", out, *FAST)
    (medium,) = (out / "review").glob("*.jpg")
    assert run("verify", medium).code == 3
    renamed = medium.rename(medium.with_name("mustermann.jpg"))
    ran = run("verify", renamed)
    assert ran.code == 4 and "name" in ran.out


def test_switching_faces_off_waits_for_a_person(run: Run, tmp_path: Path) -> None:
    ran = run("blur", plain(tmp_path / "a.jpg"), "--out", tmp_path / "out", *FAST)
    assert ran.code == 3
    assert "Faces were not looked for, as requested." in ran.out
    (reasons,) = (tmp_path / "out" / "review").glob("*.reasons.txt")
    assert reasons.read_text() == "Faces were not looked for, as requested.\n"


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--keep", "500,200,80,80"), "kept clear, as requested"),
        (("--keep-mouth",), "kept clear, as requested"),
        (("--grid", "12", "--unsafe-strength"), "weaker than the safe bound, as requested (grid)"),
        (("--margin", "1.1", "--unsafe-strength"), "weaker than the safe bound, as requested (margin)"),
    ],
)
def test_what_a_person_weakens_a_person_must_see(
    run: Run, face: Path, tmp_path: Path, flags: tuple[str, ...], reason: str
) -> None:
    ran = run("blur", face, "--out", tmp_path / "out", "--text", "none", "--no-codes", *flags)
    assert ran.code == 3, ran.out + ran.err
    assert reason in ran.out
    assert not list((tmp_path / "out" / "ready").iterdir())


def test_keeping_a_place_that_nothing_hides_changes_nothing(run: Run, face: Path, tmp_path: Path) -> None:
    ran = run("blur", face, "--out", tmp_path / "out", "--text", "none", "--keep", "10,900,50,50")
    assert ran.code == 0, ran.out


def test_a_drawn_region_is_hidden(run: Run, tmp_path: Path) -> None:
    ran = run("blur", plain(tmp_path / "a.jpg"), "--out", tmp_path / "out", *FAST, "--region", "100,90,60,40")
    assert ran.code == 3
    (medium,) = (tmp_path / "out" / "review").glob("*.jpg")
    with Image.open(medium) as image:
        inside = np.asarray(image)[94:126, 104:156]
    assert inside.max() < 12


def test_a_kept_name_is_kept_and_said(run: Run, tmp_path: Path) -> None:
    source = plain(tmp_path / "Lesion links.jpg")
    for _ in range(2):
        assert run("blur", source, "--out", tmp_path / "out", *FAST, "--keep-name").code == 3
    names = sorted(path.name for path in (tmp_path / "out" / "review").glob("*.jpg"))
    assert names == ["Lesion links-2.jpg", "Lesion links.jpg"]
    reports = [json.loads(path.read_text()) for path in (tmp_path / "out" / "reports").glob("*.json")]
    assert all(
        "The source's file name was kept, as requested." in sentences(report["notes"]) for report in reports
    )


def test_json_is_one_object_per_line_and_nothing_else(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "b.jpg"
    bad.write_bytes(b"<html>")
    ran = run("blur", plain(tmp_path / "a.jpg"), bad, "--out", tmp_path / "out", *FAST, "--json")
    assert ran.code == 4
    one, other = lines(ran)
    assert (one["verdict"], other["verdict"]) == ("review", "failed")
    assert one["source"] == str(tmp_path / "a.jpg")
    assert Path(str(one["output"])).is_file() and Path(str(one["report"])).is_file()
    assert other["output"] is None and "web page" in str(other["reasons"])


def test_quiet_says_nothing_but_errors(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "b.jpg"
    bad.write_bytes(b"")
    ran = run("blur", plain(tmp_path / "a.jpg"), bad, "--out", tmp_path / "out", *FAST, "--quiet")
    assert ran.out == ""
    assert "empty" in ran.err and ran.err.count("\n") == 1


def test_one_bad_file_does_not_stop_the_rest(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "1-empty.jpg").write_bytes(b"")
    plain(folder / "2-good.jpg")
    (folder / "3-script.png").write_bytes(b"<svg/>")
    (folder / "4-half.jpg").write_bytes(jpeg(picture())[:900])
    plain(folder / "5-good.png", "PNG")
    before = fingerprints(folder)
    ran = run("blur", folder, "--out", tmp_path / "out", *FAST)
    assert ran.code == 4
    assert "2 in review, 3 failed" in ran.out
    assert len(ran.err.splitlines()) == 3
    assert sorted(path.suffix for path in (tmp_path / "out" / "review").iterdir()) == [
        ".jpg", ".png", ".txt", ".txt",
    ]  # fmt: skip
    assert fingerprints(folder) == before
    index = (tmp_path / "out" / "reports" / "index.html").read_text()
    assert "empty" in index and "half" not in index


def test_files_of_one_stem_do_not_replace_each_other(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    plain(folder / "A.JPG")
    plain(folder / "a.jpg")
    plain(folder / "a.png", "PNG")
    plain(folder / "a.bmp", "BMP")
    plain(folder / "sub" / "a.jpg")
    ran = run("blur", folder, "--out", tmp_path / "out", *FAST, "--keep-name")
    media = [path.name for path in (tmp_path / "out" / "review").iterdir() if path.suffix != ".txt"]
    assert ran.code == 3 and len(media) == len(list(folder.rglob("a.*"))) + len(list(folder.rglob("A.*")))
    assert len({name.casefold() for name in media}) == len(media)


def test_the_output_folder_inside_the_input_is_not_taken_for_input(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    plain(folder / "a.jpg")
    out = folder / "anonymized"
    for _ in range(2):
        assert "1 in review." in run("blur", folder, "--out", out, *FAST).out
    other = tmp_path / "other"
    assert "1 in review." in run("blur", folder, "--out", other, *FAST).out, "nor another run's output"


def test_without_out_the_results_lie_beside_the_source(run: Run, tmp_path: Path) -> None:
    run("blur", plain(tmp_path / "a.jpg"), *FAST)
    assert len(list((tmp_path / "anonymized" / "review").glob("*.jpg"))) == 1


def test_settings_come_from_the_folder_one_works_in(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "anonymizer.toml").write_text('faces = false\ncodes = false\ntext = "none"\n')
    assert run("blur", plain(tmp_path / "a.jpg"), "--out", tmp_path / "out").code == 3
    (tmp_path / "anonymizer.toml").write_text("faces = false\nfcaes = true\n")
    ran = run("blur", tmp_path / "a.jpg", "--out", tmp_path / "out")
    assert ran.code == 2 and "line 2: fcaes: unknown setting" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("blur", "gone.jpg"), "does not exist"),
        (("blur", "empty"), "holds no photo and no clip"),
        (("blur", "a.jpg", "--region", "1,2,3"), "is not a rectangle"),
        (("blur", "a.jpg", "--region", "1,2,0,4"), "empty rectangle"),
        (("blur", "a.jpg", "--keep", "here"), "is not a rectangle"),
        (("blur", "a.jpg", "--region", "nan,2,3,4"), "rectangle"),
        (("blur", "a.jpg", "--keep", "1,1,inf,4"), "rectangle"),
        (("blur", "a.jpg", "--grid", "30"), "--unsafe-strength"),
        (("blur", "a.jpg", "--noise", "0"), "--unsafe-strength"),
        (("blur", "a.jpg", "--margin", "nan"), "margin"),
        (("blur", "a.jpg", "--margin", "99"), "margin"),
        (("blur", "a.jpg", "--shape", "quad"), "ellipse or a box"),
        (("blur", "a.jpg", "--settings", "gone.toml"), "cannot be read"),
        (("blur", ".", "--out", "."), "also an input"),
        (("verify", "a.jpg", "--key", "gone.pem"), "gone.pem does not exist; check the path."),
        (("verify", "a.jpg", "--reports", "gone"), "gone is not a folder"),
        (("release", "gone", "--to", "b", "--consent"), "gone does not exist; check the path."),
        (("status", "gone"), "gone does not exist; check the path."),
        (("watch", "gone"), "gone is not a folder; create it"),
        (("key", "export", "gone/a.pem"), "choose another place."),
        (("app", "a.jpg", "--no-browser"), "a.jpg is a file; name the output folder"),
        (("app", "a.jpg/x", "--no-browser"), "a.jpg is a file; name the output folder"),
        (("blur", "a.jpg", "--style", "smear"), "smear"),
        (("blur", "a.jpg", "--frobnicate"), "frobnicate"),
        (("blur",), "PATH"),
        (("smudge",), "smudge"),
        (("blur", "a.jpg", "--region", "1,2,3,4@"), "seconds"),
        (("blur", "n" * 300), "too long"),
        (("batch", "n" * 300), "too long"),
        (("status", "n" * 300), "too long"),
        (("watch", "n" * 300, "--out", "out"), "too long"),
        (("watch", "empty", "--out", "out", "--done", "a.jpg"), "a.jpg cannot be used"),
    ],
)
def test_wrong_use_is_code_2_and_writes_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    plain(tmp_path / "a.jpg")
    (tmp_path / "empty").mkdir()
    ran = run(*arguments)
    assert ran.code == 2, ran.out + ran.err
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "empty"]


def test_a_defect_is_one_sentence_and_its_words_are_shown_on_request_alone(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = plain(tmp_path / "a.jpg"), tmp_path / "out"

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("Mrs Musterfrau")

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "process_opened", broken)
        ran = run("blur", source, "--out", out, *FAST)
        assert ran.code == 1 and ran.err.count("\n") == 1
        assert str(source) in ran.err and "ZeroDivisionError" in ran.err and "--debug" in ran.err
        assert "Musterfrau" not in ran.err and "Traceback" not in ran.err
        handlers = list(logging.getLogger("anonymizer").handlers)
        shown = run("--debug", "blur", source, "--out", out, *FAST)
        assert logging.getLogger("anonymizer").handlers == handlers
        assert shown.code == 1 and "Traceback" in shown.err and "Musterfrau" in shown.err
        assert not list((out / "ready").iterdir()) and not list((out / ".anonymizer").glob("run-*"))
    monkeypatch.setattr("anonymizer.cli.doctor.examine", broken)
    ran = run("doctor")
    assert ran.code == 1 and ran.err.count("\n") == 1 and "Musterfrau" not in ran.err
    assert "Traceback" in run("--debug", "doctor").err


@pytest.mark.parametrize("command", ["blur", "batch"])
def test_a_folder_below_that_cannot_be_read_is_said_not_left_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "in" / "closed").mkdir(parents=True)
    plain(tmp_path / "in" / "a.jpg")
    real = os.scandir

    def scandir(path: str) -> Iterator[os.DirEntry[str]]:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    ran = run(command, tmp_path / "in", "--out", tmp_path / "out")
    assert ran.code == 2 and ran.err.count("\n") == 1
    assert f"{tmp_path / 'in' / 'closed'} cannot be read (Permission denied)" in ran.err
    assert not (tmp_path / "out").exists()


def test_the_longest_of_names_is_a_name_like_any_other(run: Run, tmp_path: Path) -> None:
    """There is no room for the name of a settings file of its own beside it."""
    (tmp_path / "in").mkdir()
    plain(tmp_path / "in" / ("n" * 251 + ".jpg"))
    assert run("blur", tmp_path / "in", "--out", tmp_path / "out", *FAST).code == 3


def test_results_are_no_originals_and_no_place_for_other_results(run: Run, tmp_path: Path) -> None:
    source, out = plain(tmp_path / "a.jpg"), tmp_path / "out"
    assert run("blur", source, "--out", out, *FAST).code == 3
    (made,) = (out / "review").glob("*.jpg")
    for given in (made, out / "review"):
        ran = run("blur", given, "--out", out, *FAST)
        assert ran.code == 2 and "give the originals" in ran.err
    ran = run("blur", made, *FAST)
    assert ran.code == 2 and "lies among the results" in ran.err
    assert not (out / "review" / "anonymized").exists()


def test_a_group_of_commands_alone_shows_its_help(run: Run) -> None:
    ran = run("models")
    assert ran.code == 2 and "fetch" in ran.out


def test_ctrl_c_while_the_program_is_loaded_is_quiet() -> None:
    stopped = (
        "import sys\nclass Stop:\n def find_spec(self, name, *rest):\n"
        "  if name == 'anonymizer.cli.main': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())\nfrom anonymizer.__main__ import main\nmain()"
    )
    ran = subprocess.run([sys.executable, "-c", stopped], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_cannot_be_printed_is_no_defect(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full, monkeypatch.context() as patch:
        patch.setattr("anonymizer.cli.main.sys.stdout", full)
        ran = run("models", "list", "--json")
        with contextlib.suppress(OSError):
            full.close()
    assert ran.code == 4 and "What this command prints cannot be written" in ran.err


def test_an_output_folder_that_cannot_be_written_is_one_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = plain(tmp_path / "a.jpg")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    ran = run("blur", source, "--out", tmp_path / "out", *FAST)
    assert ran.code == 4
    assert "Read-only file system" in ran.err and "--out" in ran.err and ran.err.count("\n") == 1


def test_a_missing_model_is_code_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from anonymizer.cli import main as cli
    from anonymizer.core.errors import ModelError

    def missing(*_: object) -> None:
        raise ModelError("model.missing", name="x")

    monkeypatch.setattr("anonymizer.road.worker.Finder", missing)
    with pytest.raises(SystemExit) as left:
        cli.main(["blur", str(plain(tmp_path / "a.jpg")), "--out", str(tmp_path / "out")])
    assert left.value.code == 5
    assert "models fetch" in capsys.readouterr().err
    assert not (tmp_path / "out" / "ready").exists() or not list((tmp_path / "out" / "ready").iterdir())


def test_version_and_help(run: Run) -> None:
    assert run("--version").out.strip() == f"anonymizer {__version__}, models {models_version()}"
    ran = run("blur", "--help")
    assert ran.code == 0 and "Exit codes" in ran.out


def test_as_a_program_of_its_own(tmp_path: Path) -> None:
    """Installed, started as users start it, with a name that needs care, output piped away."""
    source = plain(tmp_path / "Frau Müller 🙂.jpg")
    done = subprocess.run(
        [sys.executable, "-m", "anonymizer", "blur", str(source), "--out", str(tmp_path / "out"), *FAST],
        capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "1 in review" in done.stdout
    assert "Frau Müller" in done.stdout, "the person is told by the name they know"
    assert "Müller".encode() not in everything_written(tmp_path / "out")


def test_the_ledger_alone_knows_where_a_file_came_from(run: Run, face: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("blur", face, "--out", out, *FAST)
    assert str(face).encode() in (out / ".anonymizer" / "ledger.sqlite").read_bytes()
    assert (out / ".anonymizer" / "ledger.sqlite").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "name", ["exif.jpg", "text.png", "exif.heic", "exif.webp", "pages.tif", "behind.gif"]
)
def test_leaky_files_of_every_kind_come_out_clean(run: Run, tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.write_bytes(LEAKY[name].content)
    out = tmp_path / "out"
    assert run("blur", source, "--out", out, *FAST).code == 3
    written = everything_written(out)
    for string in LEAKY[name].strings | {"CANARY"}:
        assert string.encode() not in written
