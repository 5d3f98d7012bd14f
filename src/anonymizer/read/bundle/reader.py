"""What a bundle holds, and its members brought out of it: the parent's side of the confined process."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from anonymizer.core.durable import new_file
from anonymizer.core.errors import (
    DamagedError,
    LimitError,
    MediumError,
    OutputError,
    UnreadableError,
    UnsupportedError,
)
from anonymizer.core.message import Message
from anonymizer.core.settings import Limits
from anonymizer.read import believed
from anonymizer.read.bundle.child import BLOCK, LIST, TAKE
from anonymizer.read.bundle.paths import Member, labels, member, page_label, page_of
from anonymizer.read.channel import read_exactly, write_message
from anonymizer.read.process import answer, cut_off, end, start
from anonymizer.read.sniff import (
    HEAD,
    PDF,
    Format,
    identify,
    open_regular,
    sniff,
    sniff_file,
    suffix_of_medium,
)
from anonymizer.read.walk import (
    LINK,
    TEMPORARY,
    Passed,
    PassedOver,
    foreign,
    is_temporary,
    skips_file,
    skips_folder,
)

MOST_MEMBERS = 10_000
CHUNK = 1 << 20
CPU_SECONDS = 24 * 3600.0
"""Bound on processor time of what takes a clip out; the parent's clock says when nothing comes any more."""
_BITMAP = struct.Struct("<2sIHHIIiiHHIIiiII")
"""A BMP's two headers (BITMAPFILEHEADER and BITMAPINFOHEADER of wingdi.h)."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The members of a bundle that are photos or clips, and all else in it with why it is not taken."""

    members: tuple[Path, ...]
    passed: tuple[PassedOver, ...] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """A member taken out: its format, the SHA-256 (hex) that it is known by, its bytes, and a photo's content."""

    form: Format
    sha256: str
    size: int
    content: bytes | None


def expanded(path: Path, limits: Limits, *, named: bool = False) -> Contents:
    """What a file stands for among sources: itself, or the members of a bundle, with what else lies in that.

    A bundle that cannot be opened stands for itself: the road says what is wrong with it. One in which nothing is taken
    does so where somebody ``named`` it; one that lies about in a folder is not taken. Nor is one looked into there that
    is called a picture.
    """
    if member(path) or (not named and suffix_of_medium(path)) or not _is_bundle(path):
        return Contents((path,))
    try:
        found = contents(path, limits)
    except MediumError:
        return Contents((path,))
    if found.members:
        return found
    if named:
        return Contents((path,), found.passed)
    missed = any(one.media for one in found.passed)
    return Contents((), (PassedOver(path, Passed.NOT_TAKEN, NOTHING, missed), *found.passed))


def _is_bundle(path: Path) -> bool:
    try:
        return sniff_file(path).bundle
    except MediumError:
        return False


def contents(path: Path, limits: Limits) -> Contents:
    """What a bundle holds. Raises :class:`MediumError` where it cannot be opened, costs more than the limits allow, or
    needs a password."""
    form = sniff_file(path)
    if form is PDF:
        return _pages(path, limits)
    with _asked(path, limits, {"format": form.name, "do": LIST}) as (stream, told, _):
        said = [(str(one["label"]), str(one["flaw"]), int(one["head"])) for one in told["entries"]]
        if len(said) > MOST_MEMBERS or labels([label for label, _, _ in said]) != [one[0] for one in said]:
            raise ValueError("labels that there are not")
        members: list[Path] = []
        passed: list[PassedOver] = []
        for label, flaw, length in said:
            if not 0 <= length <= HEAD or flaw not in _FLAWS:
                raise ValueError("no entry")
            one = _judged(path / label, label, flaw, read_exactly(stream, length))
            if isinstance(one, Path):
                members.append(one)
            else:
                passed.append(one)
    if not members and any(one.reason == ENCRYPTED for one in passed):
        raise UnsupportedError("bundle.encrypted-all")
    return Contents(tuple(members), tuple(passed))


def members(path: Path, limits: Limits | None = None) -> tuple[Path, ...]:
    """The paths of the photos and clips in a ZIP archive, or of the pictures in a PDF document: each goes where a
    photo's path may. Raises :class:`MediumError` where it cannot be opened, or holds none."""
    return named(path, limits or Limits()).members


def named(path: Path, limits: Limits) -> Contents:
    """The same of a bundle that somebody named. Raises too where it holds nothing that is taken."""
    found = contents(path, limits)
    if not found.members:
        raise UnsupportedError(NOTHING)
    return found


def refusal(path: Path, limits: Limits) -> MediumError:
    """Why a bundle is no source itself: it cannot be opened, holds nothing that is taken, or each of its members is."""
    try:
        named(path, limits)
    except MediumError as error:
        return error
    return UnsupportedError("bundle.several")


NOTHING = Message("bundle.nothing")
ENCRYPTED = Message("bundle.encrypted")
_FLAWS = {
    "": None,
    "file.link": LINK,
    "bundle.encrypted": ENCRYPTED,
    "bundle.packed": Message("bundle.packed"),
    "bundle.member-damaged": None,
}
"""What the confined process may say of an entry, and what is said of it; a damaged one is taken, and fails."""


def _judged(path: Path, label: str, flaw: str, head: bytes) -> Path | PassedOver:
    """One entry by the rules for folders (:mod:`anonymizer.read.walk`)."""
    *folders, name = label.split("/")
    by_name = suffix_of_medium(path)
    for folder in folders:
        if rule := skips_folder(folder):
            return PassedOver(path, Passed.SKIPPED, rule)
    if rule := skips_file(name):
        return PassedOver(path, Passed.SKIPPED, rule)
    if is_temporary(name):
        return PassedOver(path, Passed.SKIPPED, TEMPORARY, by_name)
    if said := _FLAWS[flaw]:
        return PassedOver(path, Passed.NOT_TAKEN, said, by_name)
    if flaw:
        return path
    with contextlib.suppress(MediumError):
        if sniff(head).bundle:
            return PassedOver(path, Passed.NOT_TAKEN, Message("bundle.nested"), media=True)
    return path if by_name else foreign(path, head) or path


def _pages(path: Path, limits: Limits) -> Contents:
    with _asked(path, limits, {"format": PDF.name, "do": LIST}) as (_, told, _):
        pages = [believed.numbers(one, ("parts", "small")) for one in told["pages"]]
        attached = believed.numbers(told, ("attached",))["attached"]
        if sum(one["parts"] + one["small"] for one in pages) + attached > 100 * MOST_MEMBERS:
            raise ValueError("more than there can be")
    members: list[Path] = []
    passed: list[PassedOver] = []
    for number, page in enumerate(pages, 1):
        count = page["parts"]
        for which in range(count):
            members.append(path / page_label(number, which + 1 if count > 1 else 0))
        if page["small"]:
            said = Message("bundle.small", count=page["small"])
            passed.append(PassedOver(path / f"page {number} (small)", Passed.SKIPPED, said))
        elif not count:
            passed.append(PassedOver(path / page_label(number), Passed.SKIPPED, Message("bundle.empty-page")))
    if len(members) > MOST_MEMBERS:
        raise LimitError("bundle.too-many", most=MOST_MEMBERS)
    for number in range(1, attached + 1):
        said = Message("bundle.attached")
        passed.append(PassedOver(path / f"attachment {number}", Passed.NOT_TAKEN, said, media=True))
    return Contents(tuple(members), tuple(passed))


def fetch(path: Path, limits: Limits, into: Path | None = None) -> Fetched:
    """Take out the member at this path; its content is in memory, but a clip's goes to the new file ``into``, if given.

    Raises :class:`MediumError`; ``into`` is then removed.
    """
    found = member(path)
    if found is None:
        raise UnreadableError("file.gone")
    before = _state(found.bundle)
    form = sniff_file(found.bundle)
    if not form.bundle:
        raise UnreadableError("file.gone")
    taken = _page(found, limits) if form is PDF else _entry(found, limits, into)
    if _state(found.bundle) != before:
        raise UnreadableError("file.changed")
    return taken


def bring(path: Path, folder: Path, limits: Limits) -> tuple[Path, str]:
    """Bring a clip out of its bundle into a private folder, and its SHA-256 (hex).

    It lies there as deep as it does in the user's folders, so that what is looked for in its output are the names of
    those. Raises :class:`MediumError`, and :class:`OutputError` where the folder cannot be written.
    """
    local = folder.joinpath(*path.absolute().parts[1:])
    try:
        local.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError("bundle.not-brought", cause=error.strerror or error) from error
    return local, fetch(path, limits, local).sha256


def _state(bundle: Path) -> tuple[int, int, int]:
    try:
        found = bundle.lstat()
    except OSError as error:
        raise UnreadableError("file.gone") from error
    return found.st_size, found.st_mtime_ns, found.st_ino


def _page(found: Member, limits: Limits) -> Fetched:
    place = page_of(found.label)
    if place is None:
        raise UnreadableError("file.gone")
    job = {
        "format": PDF.name,
        "do": TAKE,
        "page": place[0],
        "part": max(0, place[1] - 1),
        "max_pixels": limits.max_pixels,
    }
    sha256 = place_sha256(found.bundle / found.label)
    with _asked(found.bundle, limits, job) as (stream, told, _):
        size = believed.numbers(told, ("width", "height"))
        width, height = size["width"], size["height"]
        if min(width, height) < 1 or width * height > limits.max_pixels:
            raise ValueError("impossible size")
        rows = read_exactly(stream, (3 * width + 3) // 4 * 4 * height)
    # Rows from the top: a negative height says so.
    headers = _BITMAP.pack(
        b"BM", 54 + len(rows), 0, 0, 54, 40, width, -height, 1, 24, 0, len(rows), 0, 0, 0, 0
    )
    content = headers + rows
    form = sniff(content[:HEAD])
    return Fetched(form, sha256, len(content), content)


def place_sha256(path: Path) -> str:
    """The SHA-256 (hex) that stands for a place in a bundle: of the bundle's own, and the member's label.

    Raises :class:`UnreadableError`.
    """
    found = member(path)
    if found is None:
        raise UnreadableError("file.gone")
    try:
        with open_regular(found.bundle) as file:
            digest = hashlib.sha256()
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise UnreadableError("file.not-read", cause=error.strerror or error) from error
    return hashlib.sha256(f"{digest.hexdigest()} {found.label}".encode()).hexdigest()


def _entry(found: Member, limits: Limits, into: Path | None) -> Fetched:
    job = {
        "format": "ZIP",
        "do": TAKE,
        "label": found.label,
        "most": max(limits.max_clip_bytes, limits.max_bytes),
    }
    digest, size, kept = hashlib.sha256(), 0, list[bytes]()
    with (
        _asked(found.bundle, limits, job, CPU_SECONDS) as (stream, _, moved),
        contextlib.ExitStack() as stack,
    ):
        blocks = _blocks(stream, moved)
        head = b""
        while len(head) < HEAD and (block := next(blocks, b"")):
            head += block
        form = sniff(head[:HEAD])
        most = limits.max_clip_bytes if form.demuxer else limits.max_bytes
        target = stack.enter_context(_written(into)) if form.demuxer and into else None
        for block in itertools.chain([head], blocks):
            size += len(block)
            if size > most:
                raise LimitError("bundle.member-too-large", limit=most >> 20)
            digest.update(block)
            if target:
                target.write(block)
            elif not form.demuxer:
                kept.append(block)
    if form.demuxer:
        return Fetched(form, digest.hexdigest(), size, None)
    content = b"".join(kept)
    form = identify(io.BytesIO(content))
    if form.is_clip and into:
        with _written(into) as target:
            target.write(content)
    return Fetched(form, digest.hexdigest(), size, content)


@contextlib.contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    """A new private file; gone again where it is not written to its end."""
    try:
        with new_file(path) as file:
            yield file
    except OSError as error:
        raise OutputError("bundle.not-brought", cause=error.strerror or error) from error


def _blocks(stream: IO[bytes], moved: Callable[[], None]) -> Iterator[bytes]:
    """A member's bytes as they come; raises at the end where it is not whole."""
    while True:
        (length,) = BLOCK.unpack(read_exactly(stream, BLOCK.size))
        if length > CHUNK:
            raise ValueError("impossible length")
        if not length:
            break
        yield read_exactly(stream, length)
        moved()
    answer(stream, UnreadableError)


Asked = tuple[IO[bytes], dict[str, Any], Callable[[], None]]
"""What a process says, its first message, and what to call whenever it has moved on."""


@contextlib.contextmanager
def _asked(path: Path, limits: Limits, job: dict[str, Any], cpu: float = 0.0) -> Iterator[Asked]:
    """A confined process that has opened a bundle and answered; killed on the way out, or when it does not move on."""
    job = {
        "path": str(path.absolute()),
        "memory": limits.decode_memory,
        "seconds": cpu or limits.decode_seconds,
    } | job
    process = start("anonymizer.read.bundle.child")
    assert process.stdin and process.stdout
    last, over = [time.monotonic()], threading.Event()

    def guard() -> None:
        while not over.wait(max(0.0, last[0] + limits.decode_seconds - time.monotonic())):
            if time.monotonic() - last[0] >= limits.decode_seconds:
                process.kill()
                return

    def moved() -> None:
        last[0] = time.monotonic()

    clock = threading.Thread(target=guard, name="bundle", daemon=True)
    clock.start()
    try:
        with contextlib.suppress(BrokenPipeError):
            write_message(process.stdin, job)
            process.stdin.close()
        yield process.stdout, answer(process.stdout, UnreadableError), moved
    except (OSError, EOFError, ValueError, KeyError, TypeError, struct.error) as error:
        too_slow = LimitError("bundle.too-slow", seconds=limits.decode_seconds)
        raise cut_off(process, DamagedError("bundle.gave-up"), too_slow) from error
    finally:
        over.set()
        end(process)
