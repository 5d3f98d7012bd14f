"""``anonymizer batch``: a folder of cases through worker processes, each once, however often it is run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from anonymizer import lookup
from anonymizer.engine import Engine
from anonymizer.errors import AnonymizerError, UsageError
from anonymizer.folder import collect
from anonymizer.gate import Gate
from anonymizer.lookup import Known
from anonymizer.pipeline import Outcome
from anonymizer.recipe import recipe, with_settings
from anonymizer.settings import Settings, with_sidecar
from anonymizer.types import Verdict

NEW = "new"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which files of the inputs to take: all that fit a pattern of ``include``, if there is one, and none of
    ``exclude``, the first ``limit`` of them. Patterns are a shell's (``*.jpg``, ``2024/*``), compared without case
    with the file's name and with its path below the input."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    limit: int | None = None

    def of(self, inputs: Sequence[Path], out: Path) -> list[Path]:
        """The media in these files and folders. Raises :class:`UsageError` where there is none."""
        found = collect(inputs, out)
        kept = list(islice((path for path in found if self._fits(path, inputs)), self.limit))
        if not kept:
            raise UsageError(
                f"None of the {len(found)} photos and clips fits the patterns; nothing was done."
            )
        return kept

    def _fits(self, path: Path, inputs: Sequence[Path]) -> bool:
        below = [str(path.relative_to(folder)) for folder in inputs if path.is_relative_to(folder)]
        names = [name.replace("\\", "/").casefold() for name in (path.name, *below)]

        def fits(patterns: Sequence[str]) -> bool:
            return any(fnmatch(name, pattern.casefold()) for name in names for pattern in patterns)

        return (not self.include or fits(self.include)) and not fits(self.exclude)


@dataclass
class Tally:
    """What a batch has come to so far."""

    total: int
    began: float = field(default_factory=time.monotonic)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    known: int = 0
    hidden: int = 0

    @property
    def done(self) -> int:
        return sum(self.verdicts.values())

    def add(self, outcome: Outcome) -> None:
        self.verdicts[outcome.verdict] += 1
        self.known += not outcome.fresh
        self.hidden += outcome.redacted

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def speed(self) -> float:
        """Files per second that work was done for; what was known costs nothing and would flatter."""
        return (self.done - self.known) / max(self.seconds, 1e-3)


def batch(engine: Engine, sources: Sequence[Path], tally: Tally, tell: Callable[[Outcome], None]) -> Path:
    """Take every source down the road and return the overview; ``tell`` is given each outcome as it comes.

    Raises :class:`AnonymizerError` for what stops every source. After Ctrl-C the overview shows what was done.
    """
    try:
        for outcome in engine.run_all(sources):
            tally.add(outcome)
            tell(outcome)
    except KeyboardInterrupt:
        engine.drop()
        engine.write_index()
        raise
    return engine.write_index()


def foreseen(sources: Sequence[Path], out: Path, settings: Settings) -> Iterator[tuple[Path, str]]:
    """What a batch would do with each source, in a few words; nothing is written but what the ledger says of
    runs that were killed. Raises :class:`anonymizer.errors.OutputError`."""
    if not (out / ".anonymizer" / "ledger.sqlite").is_file():
        yield from ((source, NEW) for source in sources)
        return
    own = recipe(settings.checked())
    with Gate(out) as gate:
        for source in sources:
            yield source, _foreseen(source, gate, settings, own)


def _foreseen(source: Path, gate: Gate, settings: Settings, own: str) -> str:
    path = source.absolute()
    try:
        looked = lookup.recall(gate.ledger, path) or lookup.look(path)
        wanted = with_settings(own, with_sidecar(settings, path))
    except AnonymizerError as error:
        return f"fails: {error}"
    found = lookup.lookup(gate, path, looked.sha256, wanted)
    if isinstance(found, Known):
        return found.note
    if looked.refusal:
        return f"fails: {looked.refusal}"
    return f"again: {found.note}" if found.note else NEW
