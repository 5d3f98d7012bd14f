"""The shared hostile and real-world media: every file ends in an outcome, and no output carries a trace."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from anonymizer.core.types import Verdict
from anonymizer.road.pipeline import Outcome, Session
from anonymizer.verify.exiftool import _structure
from conftest import QUICK, ROOT, everything_written, fingerprints, sentences

SHARED = ROOT.parent / "shared" / "media"
FOLDERS = [SHARED / "hostile", SHARED / "metadata"]
pytestmark = pytest.mark.skipif(
    not all(folder.is_dir() for folder in FOLDERS),
    reason="the shared media folder (../shared/media/hostile and metadata) is not here",
)
VALUES = (b"CANARY", b"52.52", b"13.405")
STRUCTURES = (b"GPSLatitude", b"Exif\0", b"xmpmeta", b"ICC_PROFILE", b"Photoshop")
"""What no medium may hold; a report names some of these as kinds."""
NOT_OPENED = {".txt", ".md", ".py", ".mp4", ".mov"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Outcome]]:
    """All of them through one session without detectors: what is tested here is the file, not the face."""
    out = tmp_path_factory.mktemp("shared") / "out"
    paths = [path for folder in FOLDERS for path in sorted(folder.iterdir()) if path.is_file()]
    before = [fingerprints(folder) for folder in FOLDERS]
    with Session(out, QUICK) as session:
        outcomes = list(session.run_all(paths))
        session.write_index()
    assert [fingerprints(folder) for folder in FOLDERS] == before, "an original was touched"
    return out, outcomes


def test_every_file_ends_in_review_or_a_clear_refusal(ran: tuple[Path, list[Outcome]]) -> None:
    out, outcomes = ran
    assert len(outcomes) > 60
    opened = 0
    for outcome in outcomes:
        assert outcome.reasons and all(reason.endswith(".") for reason in sentences(outcome.reasons)), (
            outcome.source
        )
        if outcome.verdict is Verdict.FAILED:
            assert outcome.output is None and outcome.report is None
        else:
            assert sentences(outcome.reasons) == ["Faces were not looked for, as requested."], (
                outcome.source.name
            )
            assert outcome.output and outcome.output.is_file() and outcome.report and outcome.report.is_file()
            opened += 1
        if outcome.source.suffix in NOT_OPENED:
            assert outcome.verdict is Verdict.FAILED
    assert opened > 40
    assert not list((out / "ready").iterdir()), "nothing is ready where faces were not looked for"


def test_no_trace_is_in_anything_written(ran: tuple[Path, list[Outcome]]) -> None:
    out, _ = ran
    for path in (out / "review").iterdir():
        content = path.read_bytes()
        for trace in (*VALUES, *STRUCTURES):
            assert trace not in content, path.name
    for path in (out / "reports").glob("*.json"):
        content = path.read_bytes()
        for trace in VALUES:
            assert trace not in content, path.name
    assert b"CANARY" not in everything_written(out)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="ExifTool is not installed")
def test_exiftool_lists_structure_alone(ran: tuple[Path, list[Outcome]]) -> None:
    _, outcomes = ran
    media = [str(outcome.output) for outcome in outcomes if outcome.output]
    done = subprocess.run(
        ["exiftool", "-json", "-a", "-G1", "-u", "-ee", *media], capture_output=True, timeout=120, check=False
    )
    listed = json.loads(done.stdout)
    assert len(listed) == len(media)
    for tags in listed:
        assert [tag for tag in tags if not _structure(tag)] == []
