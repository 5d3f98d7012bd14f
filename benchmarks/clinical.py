"""Does the case survive, and is a person asked where it must be? Clinical pictures down the road, one process.

    python benchmarks/clinical.py ../shared/media/clinical --out /tmp/clinical [--against /tmp/earlier]
        [--resume] [--only intraoral wound] [--dentdeid CORPUS] [--vary MODULE:NAME=0.5,0.6 …]

The folder holds pictures and ``clinical.json``: a list of ``{"image", "must", "limit"}``. ``must`` is "leave",
"text only", "hide", "hide-or-ask" or one that begins with "faces", which a person looks at. A pixel has changed
that moved by more than 25 levels. A picture that must be left is spoilt unasked where more than its ``limit``
(.05) changed and it is ready; one that must be hidden is published untouched where it is ready and no more than
.05 changed. The kind of a picture is its name up to the first "-".

``--out`` gets ``results.jsonl``, one line for each picture, and contact sheets: each original beside its result,
with the verdict and what is asked. ``--resume`` goes on where an earlier run into ``--out`` ended. ``--against`` is
the ``--out`` of an earlier run: what came out otherwise gets sheets of its own.

``--dentdeid`` is a folder made by ``dentdeid synth -o CORPUS -n 60 --seed 2026`` (pip install dentdeid): the share
of the area that changed beside the burned-in texts, and how many of these are hidden.

``--vary`` sets constants of modules to each of the values named, and all together where there are several. For each
kind the values are taken that cost least on all other kinds, and the kind is measured with them: cross-validation
over kinds. A picture spoilt or published untouched costs as much as ten that are asked about in vain.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.errors import MediumError
from anonymizer.core.settings import Settings
from anonymizer.core.types import Box, Kind, Redaction, Region, Verdict
from anonymizer.redact.residual import hidden
from anonymizer.road.pipeline import judge
from anonymizer.road.worker import Worker

MOVED = 25
LIMIT = 0.05
NEEDLESS = 0.1
"""What a needless question costs of a spoilt or untouched picture, when values are chosen."""
COVERED = 0.7
"""Share of a burned-in text's box under what was drawn from which it is hidden."""
SIDE, COLUMNS, ROWS = 320, 4, 6
"""A cell of a sheet: two pictures of this width, beside each other."""
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Fate:
    """What became of one picture."""

    image: str
    kind: str
    must: str
    verdict: str
    changed: float
    regions: dict[str, int]
    asked: list[str]
    seconds: float
    limit: float = LIMIT

    @property
    def ready(self) -> bool:
        return self.verdict == Verdict.READY.value

    @property
    def to_leave(self) -> bool:
        return self.must in ("leave", "text only")

    @property
    def to_hide(self) -> bool:
        return self.must.startswith("hide")

    @property
    def spoilt(self) -> bool:
        return self.to_leave and (self.verdict == "failed" or (self.ready and self.changed > self.limit))

    @property
    def untouched(self) -> bool:
        return self.to_hide and self.ready and self.changed <= LIMIT

    @property
    def needless(self) -> bool:
        return self.to_leave and self.verdict == Verdict.REVIEW.value


@dataclass(frozen=True)
class Result:
    fate: Fate
    before: Image
    after: Image
    redactions: tuple[Redaction, ...] = ()


def run(worker: Worker, path: Path, row: dict[str, object]) -> Result:
    before = cv2.imread(str(path))
    if before is None:
        raise SystemExit(f"{path} cannot be read.")
    kind, must = path.name.split("-")[0], str(row.get("must", ""))
    limit = float(str(row.get("limit", LIMIT)))
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            processed = worker.process(path, Path(folder) / "out").processed
        except MediumError as error:
            fate = Fate(path.name, kind, must, "failed", 1.0, {}, [str(error)], 0.0, limit)
            return Result(fate, np.asarray(before, np.uint8), np.zeros_like(before, np.uint8))
        seconds = time.perf_counter() - started
        after = cv2.imread(str(processed.path))
    verdict, reasons = judge(processed, list(processed.checks))
    assert after is not None
    moved = (
        float((np.abs(before.astype(int) - after).max(axis=2) > MOVED).mean())
        if before.shape == after.shape
        else 1.0
    )
    regions: dict[str, int] = {}
    for redaction in processed.redactions:
        regions[redaction.kind.value] = regions.get(redaction.kind.value, 0) + 1
    fate = Fate(
        path.name,
        kind,
        must,
        verdict.value,
        round(moved, 4),
        regions,
        [*map(str, reasons)],
        round(seconds, 3),
        limit,
    )
    return Result(fate, np.asarray(before, np.uint8), np.asarray(after, np.uint8), processed.redactions)


# The table --------------------------------------------------------------------------------------------


def table(fates: Sequence[Fate]) -> None:
    print("| kind | pictures | spoilt unasked | published untouched | asked though to be left | questions |")
    print("|---|---|---|---|---|---|")
    for kind in [*dict.fromkeys(fate.kind for fate in fates), ""]:
        own = [fate for fate in fates if kind in ("", fate.kind)]
        leave, hide = [f for f in own if f.to_leave], [f for f in own if f.to_hide]
        cells = [kind or "**all**", str(len(own))]
        cells += [
            share([f.spoilt for f in leave]),
            share([f.untouched for f in hide]),
            share([f.needless for f in leave]),
        ]
        cells.append(str(sum(len(f.asked) for f in own)))
        print(f"| {' | '.join(cells)} |")
    for words, chosen in (
        ("spoilt unasked", [f for f in fates if f.spoilt]),
        ("published untouched", [f for f in fates if f.untouched]),
        ("asked though to be left", [f for f in fates if f.needless]),
    ):
        named = ", ".join(f"{f.image} ({100 * f.changed:.0f} %)" for f in chosen)
        print(f"{words}: {named or 'none'}")
    seconds = [fate.seconds for fate in fates]
    print(f"seconds a picture: {statistics.median(seconds):.2f} in the middle, {sum(seconds):.0f} in all")


def share(those: Sequence[bool]) -> str:
    return f"{sum(those)}/{len(those)} = {sum(those) / len(those):.3f}" if those else "–"


def cost(fates: Sequence[Fate]) -> float:
    """What the mistakes of a run cost, by kind equally: a kind with many pictures says no more than another."""
    by_kind: dict[str, list[float]] = {}
    for f in fates:
        by_kind.setdefault(f.kind, []).append(f.spoilt + f.untouched + NEEDLESS * f.needless)
    return statistics.mean(statistics.mean(costs) for costs in by_kind.values())


# Contact sheets ---------------------------------------------------------------------------------------


def cell(result: Result) -> Image:
    fate = result.fate
    pair = []
    for picture in (result.before, result.after):
        f = min((SIDE - 4) / picture.shape[1], (SIDE - 4) / picture.shape[0])
        small = cv2.resize(picture, None, fx=f, fy=f, interpolation=cv2.INTER_AREA)
        panel = np.full((SIDE, SIDE, 3), 40, np.uint8)
        panel[: small.shape[0], : small.shape[1]] = small
        pair.append(panel)
    strip = np.full((52, 2 * SIDE, 3), 255, np.uint8)
    wrong = (
        "SPOILT" if fate.spoilt else "UNTOUCHED" if fate.untouched else "needless" if fate.needless else ""
    )
    colour = (0, 0, 200) if wrong.isupper() else (0, 120, 200) if wrong else (0, 0, 0)
    head = f"{fate.image} must {fate.must}: {fate.verdict} {100 * fate.changed:.1f}% {fate.regions or ''} {wrong}"
    asked = [reason.split(":")[0] for reason in fate.asked]
    said = [head, " / ".join(asked)[:100], " / ".join(asked)[100:200]]
    for n, words in enumerate(said):
        cv2.putText(strip, words, (3, 14 + 16 * n), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
    return np.asarray(np.vstack([np.hstack(pair), strip]), np.uint8)


def sheets(cells: Sequence[Path], folder: Path, name: str) -> None:
    each = COLUMNS * ROWS
    for old in folder.glob(f"{name}-*.jpg"):
        old.unlink()
    for number in range(0, len(cells), each):
        part = [np.asarray(cv2.imread(str(path)), np.uint8) for path in cells[number : number + each]]
        blank = np.full_like(part[0], 255)
        part += [blank] * (-len(part) % COLUMNS)
        rows = [np.hstack(part[n : n + COLUMNS]) for n in range(0, len(part), COLUMNS)]
        cv2.imwrite(str(folder / f"{name}-{number // each:02}.jpg"), np.vstack(rows))


def earlier(folder: Path) -> dict[str, Fate]:
    lines = (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    fates = [Fate(**json.loads(line)) for line in lines]
    return {fate.image: fate for fate in fates}


def otherwise(one: Fate, other: Fate) -> bool:
    return one.verdict != other.verdict or abs(one.changed - other.changed) > 0.02


# The clinical pictures --------------------------------------------------------------------------------


def clinical(folder: Path, out: Path, against: Path | None, only: Sequence[str], resume: bool) -> list[Fate]:
    """Every picture down the road; lines and sheets into ``out``."""
    cells = out / "cells"
    cells.mkdir(parents=True, exist_ok=True)
    known = earlier(against) if against else {}
    done = earlier(out) if resume and (out / "results.jsonl").exists() else {}
    wanted = rows(folder, only)
    fates: list[Fate] = []
    with Worker(Settings()) as worker, (out / "results.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(line_of(fate) for fate in done.values())
        lines.flush()
        for row in wanted:
            name = str(row["image"])
            if name not in done:
                result = run(worker, folder / name, row)
                cv2.imwrite(str(cells / f"{name}.png"), cell(result))
                done[name] = result.fate
                lines.write(line_of(result.fate))
                lines.flush()
            fates.append(done[name])
    sheets([cells / f"{fate.image}.png" for fate in fates], out, "sheet")
    if known:
        changed = [fate for fate in fates if fate.image in known and otherwise(fate, known[fate.image])]
        sheets([cells / f"{fate.image}.png" for fate in changed], out, "changed")
        print(f"{len(changed)} pictures came out otherwise than in {against}")
    return fates


def line_of(fate: Fate) -> str:
    return json.dumps(asdict(fate)) + "\n"


def rows(folder: Path, only: Sequence[str]) -> list[dict[str, object]]:
    listed = json.loads((folder / "clinical.json").read_text(encoding="utf-8"))
    return [row for row in listed if not only or str(row["image"]).split("-")[0] in only]


def varied(folder: Path, out: Path, only: Sequence[str], names: Sequence[str], resume: bool) -> None:
    """Cross-validation over kinds of the constants named: see the module."""
    choices = [list(parsed(name)) for name in names]
    runs: dict[str, list[Fate]] = {}
    for number, chosen in enumerate(itertools.product(*choices)):
        for module, constant, value in chosen:
            setattr(importlib.import_module(module), constant, value)
        told = ", ".join(f"{constant}={value:g}" for _, constant, value in chosen)
        print(f"\n{told}", flush=True)
        runs[told] = clinical(folder, out / f"vary-{number:02}", None, only, resume)
        table(runs[told])
    kinds = list(dict.fromkeys(fate.kind for fates in runs.values() for fate in fates))
    held: list[Fate] = []
    print("\nChosen without a kind, measured on it:")
    for kind in kinds:
        best = min(runs, key=lambda told, kind=kind: cost([f for f in runs[told] if f.kind != kind]))  # type: ignore[misc]
        print(f"  {kind}: {best}")
        held += [fate for fate in runs[best] if fate.kind == kind]
    table(held)
    best = min(runs, key=lambda told: cost(runs[told]))
    print(f"\nChosen on all kinds, measured on them: {best}")
    table(runs[best])


def parsed(name: str) -> Iterator[tuple[str, str, float]]:
    where, _, values = name.partition("=")
    module, _, constant = where.partition(":")
    if not hasattr(importlib.import_module(module), constant):
        raise SystemExit(f"{module} has no {constant}.")
    for value in values.split(","):
        yield module, constant, float(value)


# DentDeID's synthetic set -----------------------------------------------------------------------------


def dentdeid(corpus: Path, out: Path) -> None:
    """The area that changed beside burned-in texts, and how many of these are hidden."""
    folder = out / "dentdeid"
    folder.mkdir(parents=True, exist_ok=True)
    beside: dict[str, list[float]] = {}
    found: dict[str, list[bool]] = {}
    verdicts: list[str] = []
    cells: list[Path] = []
    with Worker(Settings()) as worker:
        for key in sorted((corpus / "answer_keys").glob("*.json")):
            item = json.loads(key.read_text(encoding="utf-8"))
            if not item.get("raster"):
                continue
            result = run(worker, corpus / item["raster"], {"must": item["kind"]})
            rest = np.ones(result.before.shape[:2], bool)
            for text in item["burned_in"]:
                left, top, right, bottom = text["bbox"]
                pad = round(0.5 * (bottom - top))
                rest[max(0, top - pad) : bottom + pad, max(0, left - pad) : right + pad] = False
                box = Box(left, top, right - left, bottom - top)
                sort = f"{item['difficulty']}, {'identifying' if text['phi'] else 'not identifying'}"
                found.setdefault(sort, []).append(
                    hidden(Region(box, Kind.TEXT, ()), result.redactions) >= COVERED
                )
            moved = np.abs(result.before.astype(int) - result.after).max(axis=2) > MOVED
            beside.setdefault(item["kind"], []).append(float((moved & rest).mean()))
            verdicts.append(result.fate.verdict)
            cells.append(folder / f"{Path(item['raster']).name}.png")
            cv2.imwrite(str(cells[-1]), cell(result))
    sheets(cells, out, "dentdeid")
    every = [value for values in beside.values() for value in values]
    print(f"\nDentDeID's synthetic set: {len(every)} pictures, {verdicts.count('review')} asked about")
    print(f"area changed beside the texts: {100 * statistics.mean(every):.2f} %, by kind: ", end="")
    print(", ".join(f"{kind} {100 * statistics.mean(values):.2f} %" for kind, values in beside.items()))
    for sort, those in sorted(found.items()):
        print(f"texts hidden ({sort}): {sum(those)}/{len(those)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="pictures and clinical.json")
    parser.add_argument("--out", type=Path, required=True, help="for the lines and the sheets")
    parser.add_argument("--resume", action="store_true", help="go on where a run into --out ended")
    parser.add_argument("--against", type=Path, help="the --out of an earlier run")
    parser.add_argument("--only", nargs="*", default=[], help="kinds")
    parser.add_argument("--dentdeid", type=Path, help="a folder that dentdeid synth made")
    parser.add_argument("--vary", nargs="*", default=[], help="MODULE:NAME=0.5,0.6")
    options = parser.parse_args()
    if options.folder and options.vary:
        varied(options.folder, options.out, options.only, options.vary, options.resume)
    elif options.folder:
        table(clinical(options.folder, options.out, options.against, options.only, options.resume))
    if options.dentdeid:
        dentdeid(options.dentdeid, options.out)


if __name__ == "__main__":
    main()
