"""Folders of tiny photos, what a batch and a person did with them, and a pool that needs no processes."""

from __future__ import annotations

import functools
import os
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path

from anonymizer.core.settings import Settings
from anonymizer.engine.worker_process import Answer, Job, answer
from anonymizer.gate.decisions import approve
from anonymizer.gate.files import NEUTRAL_TIME
from anonymizer.gate.ledger import Ledger
from anonymizer.road.pipeline import Session
from anonymizer.road.worker import Worker
from conftest import QUICK
from leaky import jpeg

OLD = 1_700_000_000
"""A time well before any test: files that were just written are read again, these are not."""


def photos(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """So many different tiny photos."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    paths = [folder / f"photo{number:05}.jpg" for number in range(count)]
    for path in paths:
        path.write_bytes(tiny(rng.randrange(1 << 30)))
        os.utime(path, (OLD, OLD))
    return paths


def tiny(seed: int) -> bytes:
    """A JPEG of 48 by 32 pixels that no other seed gives."""
    rng = random.Random(seed)
    from PIL import Image

    image = Image.new("RGB", (48, 32))
    image.putdata([(rng.randrange(256), rng.randrange(256), 90) for _ in range(48 * 32)])
    return jpeg(image)


@functools.cache
def worker() -> Worker:
    """One worker for all tests: it is given each job's own settings."""
    return Worker(QUICK)


class HerePool:
    """Does each job at once, in this process. ``spoil`` may answer in its stead; ``seen`` lists the sources."""

    size = 1

    def __init__(self, settings: Settings, spoil: Callable[[Job], Answer | None] | None = None) -> None:
        self.settings = settings
        self.spoil = spoil
        self.seen: list[Job] = []
        self._answers: deque[Answer] = deque()

    def room(self, job: Job) -> bool:
        return not self._answers

    def start(self, job: Job) -> None:
        self.seen.append(job)
        spoiled = self.spoil(job) if self.spoil else None
        source = Path(job.source)
        self._answers.append(
            spoiled or answer(job, lambda: worker().process(source, job.staged, settings=job.settings))
        )

    def wait(self, timeout: float) -> list[Answer]:
        answers = list(self._answers)
        self._answers.clear()
        return answers

    def progress(self) -> dict[str, tuple[str, int, int]]:
        return {}

    def close(self) -> None:
        self._answers.clear()


def with_approved(folder: Path, count: int, approved: int) -> Path:
    """An output folder with so many photos, of which the first are approved and the others wait."""
    with Session(folder / "out", QUICK) as session:
        ids = [session.run(path).id for path in photos(folder, count)]
        for id in ids[:approved]:
            approve(session.gate, id, "AB")
    return folder / "out"


def flip(path: Path, at: int, by: int = 1) -> None:
    """Change one byte, and nothing else of the file."""
    content = bytearray(path.read_bytes())
    content[at] ^= by
    path.write_bytes(content)
    os.utime(path, (NEUTRAL_TIME, NEUTRAL_TIME))


def tree(out: Path) -> dict[str, list[str]]:
    """The names in each folder of an output folder; what is private and passing under ``left``."""
    names = {
        name: sorted(path.name for path in (out / name).iterdir()) for name in ("ready", "review", "reports")
    }
    private = sorted(path.name for path in (out / ".anonymizer").iterdir())
    standing = ("ledger.sqlite", "engine.lock", "rejected", "altered", "thumbnails")
    names["left"] = [name for name in private if not name.startswith(standing)]
    # A small picture goes with its report.
    small = (out / ".anonymizer" / "thumbnails").glob("*")
    names["left"] += [path.name for path in small if f"{path.stem}.json" not in names["reports"]]
    return names


def opened(path: Path) -> Ledger:
    """The ledger, made if need be, as a run opens it: beside a file that only its owner may read."""
    like = path.with_name("run.lock")
    if path.parent.is_dir():
        os.close(os.open(like, os.O_CREAT | os.O_RDWR, 0o600))
    return Ledger(path, like=like)
