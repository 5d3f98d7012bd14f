"""The road of one opened photo: detect, redact, write clean, verify. The gate comes after, in the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from anonymizer.core.face_outlines import Outline
from anonymizer.core.kept import KeptArea
from anonymizer.core.message import Message
from anonymizer.core.settings import PERSON, Cover, Settings
from anonymizer.core.types import (
    Action,
    Box,
    Check,
    Evidence,
    Kind,
    Pixels,
    Processed,
    Question,
    QuestionKind,
    Redaction,
    Region,
    Result,
    Shape,
    Style,
)
from anonymizer.detect.base import FindsOthers, RegionFinder, models_of
from anonymizer.detect.finder import questions
from anonymizer.read.photo.reader import Still
from anonymizer.redact.photo import redact, redaction_box, restore, shape_of, style_of
from anonymizer.redact.residual import (
    HIDDEN_SHARE,
    left_over,
    share_hidden,
    under_faces,
    unredacted,
)
from anonymizer.report.thumbnail import thumbnail
from anonymizer.road.background import Persons, without_room
from anonymizer.road.face_parts import PartsOfFaces
from anonymizer.road.framing import Framing, framed, known_as_parts, proposed, shifted
from anonymizer.road.heads import Heads
from anonymizer.road.known import known_check
from anonymizer.verify import strength
from anonymizer.verify.exiftool import KeptOpen
from anonymizer.verify.photo import Expected, decode, examine
from anonymizer.write.photo import write_photo

MUCH_HIDDEN = 0.4
"""Share of the picture from which on a person is asked whether anything of the case is left to see."""
ASKED = frozenset({"dicom.burned-in", "dicom.slices", "clip.slanting"})
"""What a source says of itself and a person is asked about: words in its pixels; slices that make up a head; a picture
that its viewers see aslant, and perhaps not all of it."""
SAME = 0.5
"""A found region is one that a person took off when the areas drawn over overlap so much (IoU)."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One writing of a photo: what was drawn, what was kept clear, the file's pixels as others see them, and what is
    still to be found in them."""

    redactions: list[Redaction]
    kept: list[KeptArea]
    unsure: list[Message]
    """What is said of parts of faces that were to stay in view and were not found."""
    written: Pixels
    seen: list[Region]


@dataclass(frozen=True, slots=True)
class Hidden:
    """A picture with its regions hidden: its pixels, what was drawn, the areas that were kept clear inside that, and
    what is said of parts of faces and heads that were not found."""

    pixels: Pixels
    redactions: list[Redaction]
    kept: list[KeptArea]
    unsure: list[Message]


def process(
    still: Still,
    sha256: str,
    finder: RegionFinder,
    settings: Settings,
    staged: Path,
    secret: bytes,
    before: Sequence[Region] | None = None,
    parts: PartsOfFaces | None = None,
    heads: Heads | None = None,
    persons: Persons | None = None,
    tool: KeptOpen | None = None,
) -> Processed:
    """Frame, detect, redact, write, search again, examine: ``staged`` (without suffix) is where the clean file goes.

    ``sha256`` (hex) is the source's, ``secret`` the installation's, from which the noise follows; ``before`` what
    ``finder`` says of the view that is searched (:mod:`anonymizer.road.framing`), where it was asked already. ``parts``
    finds the parts of faces that are to stay in view; without it none does. ``heads`` finds the heads that are hidden
    whole; without it faces alone are. ``persons`` tells the person from the room; without it no background is replaced.
    ``tool`` is an ExifTool that is running already.
    Raises :class:`anonymizer.core.errors.OutputError` where it cannot be written and
    :class:`anonymizer.core.errors.MediumError` where the crop lies outside of it.
    """
    frame = framed(still.pixels, settings)
    height, width = frame.output.shape[:2]
    form = "PNG" if still.format_name == "PNG" else "JPEG"
    staged = staged.with_suffix(".png" if form == "PNG" else ".jpg")

    def attempt(regions: Sequence[Region], *, again: bool) -> _Attempt:
        """Redact, write and search what was written."""
        made = hidden(original, frame.output, regions, settings, secret, parts, heads)
        write_photo(made.pixels, staged, form, settings.quality, settings.dots_per_inch)
        written = decode(staged)
        left = _search_again(finder, frame, margin, written, made.redactions, again=again)
        return _Attempt(
            made.redactions,
            made.kept,
            made.unsure,
            written,
            known_as_parts(left, seen) if frame.cropped else left,
        )

    in_view = list(before) if before is not None else finder.find(frame.view)
    margin = _redacted_margin(frame, in_view, settings)
    original = frame
    room = without_room(frame, in_view, settings, persons)
    frame = room.frame
    seen = room.beside(frame.inside(in_view), settings)
    regions = heeded(seen, settings) + drawn_regions(settings)
    done = attempt(regions, again=False)
    seen += done.seen
    found = heeded(done.seen, settings)
    searched = Message("road.searched.one")
    if any(region.hidden for region in found):
        # What the verification pass found is hidden too, and the output searched once more.
        regions += [region for region in found if region.hidden]
        staged.unlink()
        done = attempt(regions, again=True)
        seen += done.seen
        found = heeded(done.seen, settings)
        searched = Message("road.searched.two")
    redactions = done.redactions
    expected = Expected(
        format=form,
        size=(width, height),
        redactions=redactions,
        kept=done.kept,
        source_sha256=sha256,
        traces=still.traces,
        keep_name=settings.keep_name,
        bound=strength.Bound(settings.grid, settings.noise),
        source=frame.output,
        replaced=room.wanted,
    )
    examined = examine(staged, expected, done.written, tool)
    asked = questions(to_ask([*regions, *found], redactions))
    asked += nothing_left(redactions, [*regions, *found], width, height)
    marked = [one.box for one in asked if one.kind is QuestionKind.MARK]
    return Processed(
        path=staged,
        type="photo",
        format=form,
        width=width,
        height=height,
        redactions=tuple(redactions),
        checks=(residual(found, searched), *examined, *known_check(settings)),
        traces=still.traces,
        reasons=(
            *(one.message for one in asked),
            *(note for note in still.notes if note.code in ASKED),
            *done.unsure,
            *room.reasons,
            *(
                []
                if frame.cropped or frame.smaller
                else proposed(redactions, [*done.kept, *marked], width, height)
            ),
            *reasons(settings, bool(done.kept), taken_off(seen, settings)),
        ),
        questions=tuple(asked),
        notes=(
            *(note for note in still.notes if note.code not in ASKED),
            *frame.notes(),
            *room.notes,
            *heads_told(redactions, settings),
        ),
        models=models_of(finder, parts, heads, persons),
        thumbnail=thumbnail(done.written),
        dicom=still.dicom,
    )


def _redacted_margin(frame: Framing, in_view: Sequence[Region], settings: Settings) -> Pixels:
    """The view with what was found in it hidden: what the margin about a written crop is searched with. Not handed
    out."""
    if not frame.cropped:
        return frame.view
    drawn = [shifted(region, frame.left, frame.top) for region in drawn_regions(settings)]
    return redact(frame.view, to_draw([*in_view, *drawn], settings), settings)[0]


def _search_again(
    finder: RegionFinder,
    frame: Framing,
    margin: Pixels,
    written: Pixels,
    redactions: Sequence[Redaction],
    *,
    again: bool,
) -> list[Region]:
    found = frame.inside(finder.verification_pass(frame.around(written, margin))) if written.size else []
    # A closer look is at text and codes alone.
    labels = finder.quick_find_others if isinstance(finder, FindsOthers) else finder.verification_pass
    return left_over(found, redactions, written, labels, again=again)


def to_ask(regions: Sequence[Region], redactions: Sequence[Redaction]) -> list[Region]:
    """What a person must look at, each place once: doubts that are in view, and what is hidden for a person to judge.

    A doubt that lies under another redaction anyway is none any more, and one that lies in another of its kind is the
    same question.
    """
    kept: list[Region] = []
    bare = unredacted([r for r in regions if r.action is Action.ASK], redactions)
    for region in sorted(bare, key=lambda one: -one.box.area):
        if all(
            region.box.iou(other.box) < HIDDEN_SHARE
            and (region.kind is not other.kind or region.box.covered_by(other.box) < HIDDEN_SHARE)
            for other in kept
        ):
            kept.append(region)
    for region in (r for r in regions if r.action is Action.HIDE_AND_ASK):
        same = (other for other in kept if other.asks is region.asks)
        if all(region.box.iou(other.box) < HIDDEN_SHARE for other in same):
            kept.append(region)
    return kept


def nothing_left(
    redactions: Sequence[Redaction], regions: Sequence[Region], width: int, height: int
) -> list[Question]:
    """The question whether anything of the case is left to see, where much of the picture is hidden.

    It is not asked of the ``regions`` that are hidden for a person to judge: who looks whether such a place must be
    hidden sees what it takes away.
    """
    judged = {(one.kind, one.evidence) for one in regions if one.action is Action.HIDE_AND_ASK}
    sure = [one for one in redactions if (one.kind, one.evidence) not in judged]
    if share_hidden(sure, width, height) < MUCH_HIDDEN:
        return []
    drawn = [
        Box(left, top, right - left, bottom - top) for left, top, right, bottom in (r.box for r in redactions)
    ]
    box = reduce(Box.union, drawn).within(width, height)
    return [Question(QuestionKind.NOTHING_LEFT, box, hidden=True)]


def drawn_regions(settings: Settings) -> list[Region]:
    """The person's own regions, as certain as regions get."""
    return [Region(Box(*drawn.rect), drawn.kind, (Evidence(PERSON, 1.0),)) for drawn in settings.regions]


def heeded(regions: Sequence[Region], settings: Settings) -> list[Region]:
    """The found regions without those that a person took off."""
    return [region for region in regions if not _dismissed(region, settings)]


def taken_off(regions: Sequence[Region], settings: Settings) -> int:
    """How many of the places that a person took off were found at all."""
    return len({place for region in regions for place in _dismissed(region, settings)})


def _dismissed(region: Region, settings: Settings) -> list[int]:
    """Which dismissed places this region is: of its kind, and about the area that was drawn over for it."""
    redaction = Box.between(*redaction_box(region, settings))

    def same(place: Box) -> bool:
        # Of a head that was hidden whole more was drawn over than its face.
        whole = (
            settings.cover is Cover.HEAD and region.kind is Kind.FACE and redaction.covered_by(place) > SAME
        )
        return whole or redaction.iou(place) >= SAME

    return [
        number
        for number, place in enumerate(settings.dismiss)
        if place.kind is region.kind and same(Box(*place.rect))
    ]


def heads_told(redactions: Sequence[Redaction], settings: Settings) -> list[Message]:
    """That heads were hidden whole, and how many."""
    count = sum(one.kind is Kind.FACE for one in redactions) if settings.cover is Cover.HEAD else 0
    return [Message("notes.heads", count=count)] if count else []


def kept_outlines(
    frame: Framing, regions: Sequence[Region], settings: Settings, parts: PartsOfFaces | None
) -> tuple[list[Outline], list[Message]]:
    """The parts of faces that stay in view, by the source's own pixels, and what a person is told of the others."""
    if parts is None:
        return [], []
    return parts.kept(frame.view, regions, settings, frame.left, frame.top)


def residual(found: Sequence[Region], searched: Message) -> Check:
    """The residual search's outcome: anything to hide that is still visible fails the medium."""
    left = [region for region in found if region.hidden]
    data = {"left": len(left), "doubtful": len(found) - len(left)}
    if left:
        kinds = [Message(f"kind.{kind}") for kind in sorted({region.kind for region in left})]
        said = Message("check.residual.found", searched=searched, kinds=kinds)
        return Check("residual", Result.REVIEW, said, data)
    return Check("residual", Result.PASS, Message("check.residual.passed", searched=searched), data)


def hidden(
    original: Framing,
    output: Pixels,
    regions: Sequence[Region],
    settings: Settings,
    secret: bytes,
    parts: PartsOfFaces | None = None,
    heads: Heads | None = None,
    shape: Shape | None = None,
) -> Hidden:
    """What is handed out of a picture: ``output``, its room replaced perhaps, with the regions hidden, which are in its
    pixels, and what stays in view restored. ``original`` is the picture as it came; ``shape`` the outline that is drawn
    in place of the settings'."""
    outlines, unsure = kept_outlines(original, regions, settings, parts)
    if heads:
        regions, guessed = heads.whole(original.view, regions, settings, original.left, original.top)
        unsure = [*unsure, *guessed]
    drawing = settings.model_copy(update={"shape": shape}) if shape else settings
    clean, redactions = redact(output, to_draw(regions, drawing), drawing, secret)
    kept: list[KeptArea] = [*(Box(*rect) for rect in settings.keep), *outlines]
    changed = restore(clean, output, kept)
    return Hidden(clean, redactions, kept if changed else [], unsure)


def to_draw(regions: Sequence[Region], settings: Settings) -> list[Region]:
    """The regions to hide, but for those that :func:`anonymizer.redact.residual.under_faces` leaves to a face's."""
    wanted = [region for region in regions if region.hidden]
    faces = [
        Redaction(
            r.kind, shape_of(r, settings), style, redaction_box(r, settings), (1, 1), r.evidence, r.corners
        )
        for r in wanted
        if r.kind is Kind.FACE and (style := style_of(r, settings)) is not Style.FILL
    ]
    return [region for region in wanted if not under_faces(region, faces)]


def reasons(settings: Settings, kept: bool, dismissed: int = 0, *, cropped: bool = False) -> list[Message]:
    """What the settings themselves send to a person."""
    said = []
    if cropped:
        said.append(Message("road.clip-cropped"))
    if dismissed:
        said.append(Message("road.dismissed", count=dismissed))
    if kept:
        said.append(Message("road.kept-clear"))
    if weak := settings.below_safe_bound():
        said.append(Message("road.weaker", keys=", ".join(weak)))
    if not settings.faces:
        said.append(Message("road.no-faces"))
    return said
