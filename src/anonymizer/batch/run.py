"""``anonymizer batch``: a folder of cases through worker processes, each once, however often it is run."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from anonymizer.batch import remote
from anonymizer.batch.remote import Distant, Mirror, RemoteFolder
from anonymizer.core.errors import AnonymizerError, UsageError
from anonymizer.core.message import Message, packed
from anonymizer.core.prefetch import ahead
from anonymizer.core.settings import Limits, Settings
from anonymizer.core.settings_file import with_sidecar
from anonymizer.core.types import Verdict
from anonymizer.engine import known as lookup
from anonymizer.engine.known import AlreadyDone
from anonymizer.engine.pool import Pool
from anonymizer.engine.scheduler import Engine
from anonymizer.gate.folder import Gate
from anonymizer.gate.output import is_output_folder
from anonymizer.read.inputs import Inputs, collect
from anonymizer.read.walk import PassedOver
from anonymizer.road.fingerprint import fingerprint, with_settings
from anonymizer.road.pipeline import Outcome

NEW = Message("batch.new")
BROUGHT_AHEAD = 4
"""Sources that are brought here from an address before they are asked for."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which files of the inputs to take: all that fit a pattern of ``include``, if there is one, and none of
    ``exclude``, the first ``limit`` of them. Patterns are a shell's (``*.jpg``, ``2024/*``), compared without case
    with the file's name and with its path below the input."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    limit: int | None = None

    def of(self, inputs: Sequence[Path], out: Path, limits: Limits | None = None) -> Inputs:
        """The media in these files and folders, and what else fits. Raises :class:`UsageError` where nothing does."""
        found = collect(inputs, out, limits)
        kept = tuple(islice((path for path in found.media if self._fits(path, inputs)), self.limit))
        passed = tuple(one for one in found.passed if self._fits(one.path, inputs))
        if not kept and found.media:
            raise UsageError("batch.none-fits", count=len(found.media))
        return Inputs(kept, passed)

    def _fits(self, path: Path, inputs: Sequence[Path]) -> bool:
        below = [str(path.relative_to(folder)) for folder in inputs if path.is_relative_to(folder)]
        names = [name.replace("\\", "/").casefold() for name in (path.name, *below)]

        def fits(patterns: Sequence[str]) -> bool:
            return any(fnmatch(name, pattern.casefold()) for name in names for pattern in patterns)

        return (not self.include or fits(self.include)) and not fits(self.exclude)

    def of_distant(self, found: Sequence[Distant], origin: RemoteFolder) -> list[Distant]:
        """The same for sources at an address. Raises :class:`UsageError` where none is left."""
        root = Path(origin.root)
        kept = list(islice((one for one in found if self._fits(Path(one.key), [root])), self.limit))
        if not kept:
            raise UsageError("batch.none-fits", count=len(found))
        return kept


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


def batch(
    engine: Engine,
    sources: Iterable[Path],
    tally: Tally,
    tell: Callable[[Outcome], None],
    mirror: Mirror | None = None,
) -> Path:
    """Take every source down the road and return the overview; ``tell`` is given each outcome as it comes, and
    what is published is copied to the ``mirror``.

    Raises :class:`AnonymizerError` for what stops every source. After Ctrl-C the overview shows what was done.
    """
    if mirror:
        mirror.settle()
    try:
        for outcome in engine.run_all(sources):
            if mirror and outcome.fresh:
                mirror.add(outcome)
            tally.add(outcome)
            tell(outcome)
    except KeyboardInterrupt:
        engine.drop()
        engine.write_index()
        raise
    index = engine.write_index()
    if mirror:
        mirror.settle(listing=False)
    return index


def distant_batch(
    engine: Engine,
    origin: RemoteFolder,
    sources: Sequence[Distant],
    tally: Tally,
    tell: Callable[[Outcome], None],
    mirror: Mirror | None = None,
) -> Path:
    """The same for sources at an address: each is brought here, some ahead, and taken away again when it is done."""
    remote.clear(engine.gate.private)
    keys = {source.local: Path(source.key) for source in sources}
    todo: list[Distant] = []
    failed: dict[Path, Message] = {}

    def told(outcome: Outcome) -> None:
        if outcome.passing and (said := failed.pop(outcome.source, None)):
            engine.gate.ledger.update(outcome.id, reason=packed([said]))
            outcome = replace(outcome, reasons=(said,))
        with contextlib.suppress(OSError):  # it was never brought, or its name is none that can be
            outcome.source.unlink(missing_ok=True)
        tell(replace(outcome, source=keys.get(outcome.source, outcome.source)))

    for source in sources:
        outcome = engine.known(source.local, source.size, source.stamp)
        if outcome is None:
            todo.append(source)
        else:
            tally.add(outcome)
            told(outcome)
    try:
        with ahead((remote.bring(origin, source, failed) for source in todo), BROUGHT_AHEAD) as brought:
            return batch(engine, brought, tally, told, mirror)
    finally:
        remote.clear(engine.gate.private)


@dataclass(frozen=True)
class Order:
    """What a batch is to do: local ``paths`` or ``distant`` sources of ``origin``, into ``out``, and ``target``,
    an address to which what is published is copied."""

    out: Path
    paths: tuple[Path, ...] = ()
    origin: RemoteFolder | None = None
    distant: tuple[Distant, ...] = ()
    target: RemoteFolder | None = None
    inputs: tuple[Path, ...] = ()
    passed: tuple[PassedOver, ...] = ()
    """What lies in the inputs and is not taken."""

    @property
    def count(self) -> int:
        return len(self.paths) + len(self.distant)


def order(
    inputs: Sequence[str], out: str | None, local: Path | None, chosen: Chosen, limits: Limits | None = None
) -> Order:
    """From what stands on the command line to an order. Raises :class:`UsageError`."""
    addresses = [text for text in inputs if remote.is_address(text)]
    if addresses and len(inputs) > 1:
        raise UsageError("batch.address-alone")
    target = remote.place(out) if out and remote.is_address(out) else None
    if local and not (target or addresses):
        raise UsageError("batch.local-alone")
    if target or (addresses and not out):
        folder = (local or Path("anonymized")).absolute()
    else:
        folder = (Path(out) if out else Path(inputs[0]).absolute().parent / "anonymized").absolute()
    if not addresses:
        given = tuple(Path(text) for text in inputs)
        found = chosen.of(given, folder, limits)
        return Order(folder, found.media, target=target, inputs=given, passed=found.passed)
    origin = remote.place(addresses[0])
    there = remote.sources(origin, target, folder / ".anonymizer")
    return Order(folder, (), origin, tuple(chosen.of_distant(there, origin)), target)


def run(
    order: Order,
    settings: Settings,
    tally: Tally,
    tell: Callable[[Outcome], None],
    *,
    workers: int | None = None,
    pool: Callable[[Path], Pool] | None = None,
    retry: bool = False,
) -> Path:
    """Do it, on this machine or on a cluster, and return the overview. Raises :class:`AnonymizerError`."""

    with Engine(order.out, settings, workers, pool=pool, retry=retry) as engine:
        engine.gate.ledger.pass_over([path.absolute() for path in order.inputs], order.passed)
        mirror = Mirror(engine.gate, order.target) if order.target else None
        if order.origin:
            return distant_batch(engine, order.origin, order.distant, tally, tell, mirror)
        return batch(engine, order.paths, tally, tell, mirror)


def foreseen(order: Order, settings: Settings) -> Iterator[tuple[Path, Message]]:
    """What a batch would do with each source, in a few words; nothing is written but what the ledger says of
    runs that were killed. Raises :class:`anonymizer.core.errors.OutputError`."""
    if not is_output_folder(order.out):
        yield from ((source, NEW) for source in order.paths)
        yield from ((Path(source.key), NEW) for source in order.distant)
        return
    own = fingerprint(settings.checked())
    with Gate(order.out) as gate:
        for source in order.paths:
            yield source, _foreseen(source, gate, settings, own)
        for distant in order.distant:
            seen = gate.ledger.sighting(distant.local)
            same = seen is not None and (seen.size, seen.modified) == (distant.size, distant.stamp)
            known = same and seen and lookup.lookup(gate, distant.local, seen.sha256, own)
            yield Path(distant.key), known.note if isinstance(known, AlreadyDone) else NEW


def _foreseen(source: Path, gate: Gate, settings: Settings, own: str) -> Message:
    path = source.absolute()
    try:
        inspected = lookup.recall(gate.ledger, path) or lookup.inspect(path, settings.limits)
        wanted = with_settings(own, with_sidecar(settings, path))
    except AnonymizerError as error:
        return Message("batch.fails", why=error)
    found = lookup.lookup(gate, path, inspected.sha256, wanted)
    if isinstance(found, AlreadyDone):
        return found.note
    if inspected.refusal:
        return Message("batch.fails", why=inspected.refusal)
    return Message("batch.again", why=found.note) if found.note else NEW
