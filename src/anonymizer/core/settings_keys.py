"""The keys of the settings.

Every one is described here and nowhere else: with its default, its bounds, the flag of the command line, the help of
that flag and the row of docs/settings.md. What follows from them: :mod:`anonymizer.core.settings`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from anonymizer.core.choices import (
    MAX_OUTLINES,
    SAFE_GRID,
    SAFE_MARGIN,
    SAFE_NOISE,
    About,
    AudioPolicy,
    Background,
    Cover,
    CropPart,
    DrawnRegion,
    Effort,
    FillColour,
    HdrPolicy,
    Limits,
    OutlineValue,
    Part,
    Purpose,
    RectValue,
    TextPolicy,
)
from anonymizer.core.face_parts import FacePart, KeptPart
from anonymizer.core.types import Shape, Style


class SettingsKeys(BaseModel):
    """Every key, each with its default, its bounds and what people read about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: Annotated[
        Effort,
        About(
            Part.SEARCH,
            "How hard to search.",
            "`fast` asks one face network alone; `thorough` looks at more sizes and in tiles, for large photos with "
            "small faces.",
        ),
    ] = Effort.STANDARD
    faces: Annotated[bool, About(Part.SEARCH, "Hide faces; with --no-faces every file waits in review/.")] = (
        True
    )
    text: Annotated[
        TextPolicy,
        About(
            Part.SEARCH,
            "Which text to hide.",
            "It is filled. `identifying` leaves what is read with certainty and names nobody (a ruler's numbers, a "
            "length beside a scale bar, L and R, left and right), and fills everything else.",
        ),
    ] = TextPolicy.ALL
    codes: Annotated[bool, About(Part.SEARCH, "Hide barcodes and QR codes.", "They are filled.")] = True
    marks: Annotated[
        bool,
        About(
            Part.SEARCH,
            "Ask about likely tattoos: the file waits in review/.",
            "Nothing is drawn over them.",
        ),
    ] = True

    style: Annotated[
        Style, About(Part.HIDE, "How a face is hidden.", "Text and codes are always filled.")
    ] = Style.BLUR
    fill: Annotated[
        FillColour,
        About(
            Part.HIDE,
            "What a face is filled with, where its style is fill.",
            "`tone` is the one mean colour of the place, which `blur` shows too, in steps of 16. Text and codes are "
            "always black.",
        ),
    ] = FillColour.BLACK
    shape: Annotated[
        Shape, About(Part.HIDE, "Outline of a hidden face.", choices=(Shape.ELLIPSE, Shape.BOX))
    ] = Shape.ELLIPSE
    cover: Annotated[
        Cover,
        About(
            Part.HIDE,
            "What of a head is hidden: the face, or also hair, ears and neck.",
            "`head` asks a network how far the person reaches about each face. Where it is not sure, as much is hidden "
            "as heads have, and the file waits in review/.",
        ),
    ] = Cover.FACE
    background: Annotated[
        Background,
        About(
            Part.HIDE,
            "What becomes of the room: all that is neither the person nor marked.",
            "`plain` puts one grey in its place, `blur` the colours of the room in a few broad patches. `--keep` and "
            "`--background-outline` say what stays besides. The file waits in review/, for a person to see that the "
            "finding is all there.",
        ),
    ] = Background.KEEP
    background_outline: Annotated[
        tuple[OutlineValue, ...],
        Field(max_length=MAX_OUTLINES),
        About(
            Part.PLACES,
            "Outline of what stays where the background is replaced, in place of what the network sees. Repeatable.",
            "Three corners at least. In a clip it holds for all frames.",
            value="'X,Y X,Y X,Y ...'",
        ),
    ] = ()
    background_trusted: Annotated[
        bool,
        About(
            Part.HIDE,
            "Do not have a person look at each replaced background; where the network is not sure, they are asked.",
        ),
    ] = False
    margin: Annotated[
        float,
        Field(ge=1.0, le=4.0),
        About(Part.HIDE, "Growth of a face's box.", unsafe=f"under {SAFE_MARGIN:g}"),
    ] = 1.4
    grid: Annotated[
        int,
        Field(ge=1, le=64),
        About(Part.HIDE, "Colours along a face's side, at most.", unsafe=f"over {SAFE_GRID}"),
    ] = SAFE_GRID
    noise: Annotated[
        float,
        Field(ge=0, le=10_000),
        About(
            Part.HIDE, "Strength of the noise on each colour: its σ, of 255.", unsafe=f"under {SAFE_NOISE:g}"
        ),
    ] = SAFE_NOISE
    unsafe_strength: Annotated[
        bool,
        About(Part.HIDE, "Allow a redaction that is weaker than the safe bound; the file waits in review/."),
    ] = False
    keep_part: Annotated[
        tuple[KeptPart, ...],
        About(
            Part.HIDE,
            "Keep a part of each face in view, or of the one at a place; the file waits in review/. Repeatable.",
            "`mouth` is the lips with a little skin about them, `teeth` what is seen between them, an eye has its "
            "lids; right and left are the patient's. Everything else of the face is hidden. Where a part is not found "
            "surely (a mask, a hand, a face half turned away), the face stays hidden whole and a person is asked.",
            value="PART[@X,Y]",
            choices=tuple(FacePart),
        ),
    ] = ()
    keep_mouth: Annotated[
        bool,
        About(
            Part.HIDE,
            "Keep the mouth visible in each face, for dentists; the file waits in review/.",
            'A short word for `keep_part = ["mouth"]`.',
        ),
    ] = False

    regions: Annotated[
        tuple[DrawnRegion, ...],
        About(
            Part.PLACES,
            "Hide this place, whatever is there. Repeatable.",
            "In a file: `rect`, perhaps `kind` (`drawn`, the default, is filled; `face` is hidden as faces are); "
            "in a clip also `start` and `end`, seconds, and `follow`, the second at which the place is where `rect` "
            "says: from there it goes where what it lies on goes.",
            flag="--region",
            value="[KIND:]X,Y,W,H[@START-END]",
        ),
    ] = ()
    keep: Annotated[
        tuple[RectValue, ...],
        About(
            Part.PLACES,
            "Keep this place clear; where that uncovers something hidden, the file waits in review/. Repeatable.",
            value="X,Y,W,H",
        ),
    ] = ()
    dismiss: Annotated[
        tuple[DrawnRegion, ...],
        About(
            Part.PLACES,
            "Leave visible what is found here: you know it to be harmless. The file waits in review/. Repeatable.",
            "In a file: `rect` as it was drawn over, `kind` as it was found (`face`, `text`, `code`), in a clip "
            "`start` and `end`.",
            value="KIND:X,Y,W,H[@START-END]",
        ),
    ] = ()

    crop: Annotated[
        RectValue | None,
        About(
            Part.PLACES,
            "Hand out this part of the picture alone.",
            "In pixels of the upright source. A photo is searched with a margin about it, of which nothing is written; "
            "where it shows a part of a face, and for a clip always, the file waits in review/. All other places are "
            "then in pixels of what is left. `mouth`, `eyes` and `nose` stand for `crop_to`.",
            value="X,Y,W,H",
        ),
    ] = None
    crop_to: Annotated[
        CropPart | None,
        About(
            Part.PLACES,
            "Hand out what is about this part of the largest face alone, unless a crop is given.",
            "Where it is not found surely, the file fails with a sentence. A clip has one crop, which holds the part "
            "in all its frames.",
            choices=tuple(CropPart),
        ),
    ] = None

    same_patient: Annotated[
        bool | str,
        About(
            Part.HIDE,
            "The files are of one patient: one look, one framing, names with a common beginning.",
            "`blur` takes all that it is given for one patient's; `batch` and `watch` those of each folder, which they "
            "do not frame alike. Photos are cropped to what all of them show, about the face, and made the same size. "
            "In a file beside a photo or in the Python API also a series' id, `series-` and twelve characters.",
        ),
    ] = False

    known: Annotated[
        tuple[str, ...],
        Field(exclude=True, repr=False),
        About(
            Part.SEARCH,
            "A file of what you know of the case: one name, date of birth or number a line.",
            "Only you may be able to read it (`chmod 600`). What is read in the picture and comes close to one "
            "(accents, a reader's mistakes, dates in any order) is hidden, and the written bytes are searched for "
            "them. The report says how many were searched for, never which.",
            value="FILE",
        ),
    ] = ()
    """What the practice knows of the case (:mod:`anonymizer.core.known`): given as a file, or as what stood in it. It
    stands in no dump of the settings, so in no report and no log."""
    language: Annotated[
        str,
        Field(pattern=r"^([a-z]{2,3})?$"),
        About(
            Part.WRITE,
            "Language of messages and reports; default: the system's.",
            "`--lang` stands before or after a command; in a file it is the language of reports alone. What programs "
            "read (JSON) is always English.",
            flag="--lang",
            value="LANGUAGE",
        ),
    ] = ""
    keep_name: Annotated[
        bool,
        About(Part.WRITE, "Keep the file's name, which may name the patient.", "The report says so."),
    ] = False
    name: Annotated[
        str,
        About(
            Part.WRITE,
            "Names of outputs, for example {date}-{number}; default: random ones.",
            "Of nothing but a number that never comes again, `{date}` and `{case}`, which you give. The number tells "
            "the order of processing. What holds a word of the original (its name, its folders, its data) is not used: "
            "such a file gets a random name, and its report says so.",
            value="TEMPLATE",
        ),
    ] = ""
    date: Annotated[
        str,
        About(Part.WRITE, "What {date} is in a name: a year, a month, a day, or 'today'.", value="DATE"),
    ] = ""
    case: Annotated[
        str,
        About(
            Part.WRITE,
            "What {case} is in a name: a label of yours.",
            "It is published with the name: never a patient's name or number.",
            value="LABEL",
        ),
    ] = ""
    report_time: Annotated[
        bool,
        About(
            Part.WRITE,
            "Give reports the hour of processing and of a decision, not the day alone.",
            "An hour may tie a photo to a visit; the private ledger has it in any case.",
        ),
    ] = False
    report_initials: Annotated[
        bool,
        About(
            Part.WRITE,
            "Give reports the initials of who decided.",
            "The private ledger has them in any case.",
        ),
    ] = False
    release_seen: Annotated[
        bool,
        About(
            Part.WRITE,
            "Release only what a person has looked at, one by one, or approved.",
        ),
    ] = False
    release_answers: Annotated[
        bool,
        About(
            Part.WRITE,
            "Release only with all five questions answered: consent, caption, colleagues, use, account.",
        ),
    ] = False
    purpose: Annotated[
        Purpose,
        About(
            Part.WRITE,
            "What it is for; its size follows from it.",
            "`web`: 1600 pixels on the longer side at most, and a JPEG's quality 85; `slides`: 1920 and 90; `journal`: "
            "all there is, 300 dots per inch noted in a JPEG. All places are in pixels of the output.",
            flag="--for",
        ),
    ] = Purpose.ORIGINAL
    max_side: Annotated[
        int,
        Field(ge=0, le=65_500),
        About(
            Part.WRITE,
            "Pixels of the longer side, at most; 0: as it comes.",
            "A smaller picture shows less of what nobody has thought of. All places are in pixels of the output.",
        ),
    ] = 0
    jpeg_quality: Annotated[int, Field(ge=70, le=100), About(Part.WRITE, "Quality of a written JPEG.")] = 95
    crf: Annotated[
        int,
        Field(ge=0, le=40),
        About(Part.WRITE, "A clip's quality: a smaller number is better, and larger on disk."),
    ] = 20
    audio: Annotated[
        AudioPolicy,
        About(
            Part.WRITE,
            "A clip's sound; where it is kept, or all of it but speech, the clip waits in review/.",
            "A voice identifies.",
        ),
    ] = AudioPolicy.DROP
    dicom: Annotated[
        bool,
        About(
            Part.WRITE,
            "Of a DICOM picture, write a de-identified DICOM beside the photo.",
            "Both have the same pixels; its attributes are those that the standard's confidentiality profile leaves. A "
            "source that is no DICOM, and a clip, gets none, and its report says so.",
        ),
    ] = False
    hdr: Annotated[
        HdrPolicy,
        About(
            Part.WRITE,
            "A clip's high dynamic range: mapped to what every screen shows, or kept with 10 bits.",
            "Many browsers and phones do not play 10 bits.",
        ),
    ] = HdrPolicy.MAP

    limits: Limits = Limits()
