"""What of a text, a name or a date is a canary: a string that must be found nowhere in what is written.

A canary has to be long enough not to stand in compressed pixels by chance (each string of five bytes does
once in some 300,000 photos of 4 MB), and has to name something: words that name no person, device, place or
time would make every check cry wolf.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

MIN_LENGTH = 5
"""Characters of a canary. "Anna" alone is too short; "Anna Berg", as a whole, is not."""
MAX_LENGTH = 80
"""Longer texts are looked for by their lines and words."""

_COMMON = """
    alpha color colour company copyright description location metadata resource
    about adobe after album albums anonymized apple application applications archive ascii backup
    before benutzer bilder camera cameras clinic clinical clips copies custom default desktop document
    documents dokumente download downloads dropbox exported facebook false folder fotos gallery google
    guest image images import inbox incoming input library linear local mandatory media microsoft
    mobile mobiles mount movie movies network normal onedrive original originals output outputs patient
    patients photo photos photoshop picture pictures practice private processed project projects public
    pytest result results sample sample_media scans schreibtisch screen screenshot screenshots shared
    soundhandler standard storage system tests unicode unknown unnamed untitled upload uploads users
    version video videohandler videos volume volumes whatsapp windows workspace
"""
COMMON = frozenset(_COMMON.split())
"""Words that name nobody: parts of paths, of programs' names, values of settings."""

_BOILERPLATE = (
    # The standard Huffman tables of every baseline JPEG (ITU T.81, K.3) hold these runs of text.
    "%&'()*456789:CDEFGHIJSTUVWXYZcdefghijstuvwxyz&'()*56789:CDEFGHIJSTUVWXYZ",
    "JFIF Exif ICC_PROFILE IHDR IDAT IEND PLTE tRNS RIFF WEBPVP8 NETSCAPE2.0",
    "isomiso2avc1mp41 ftypisom moov mvhd trak tkhd mdia mdhd hdlr vide minf vmhd dinf dref stbl stsd",
    "http://ns.adobe.com/xap/1.0/ http://www.w3.org/1999/02/22-rdf-syntax-ns# W5M0MpCehiHzreSzNTczkc9d",
    "IEC http://www.iec.ch .IEC 61966-2.1 Default RGB colour space - sRGB IEC61966-2.1 IEC sRGB",
    ",Reference Viewing Condition in IEC61966-2.1 Copyright (c) 1998 Hewlett-Packard Company",
    "Display P3 Copyright Apple Inc., 2017 adobe:ns:meta/ x-default acspMSFT acspAPPL",
)
"""What stands in clean files as well, or in every file of a kind: its parts are no canaries."""
_KNOWN = "\n".join(_BOILERPLATE).casefold()

_VOCABULARIES = re.compile(
    r"[\w:]*=?[\"']?https?://(?:ns\.|www\.w3|purl\.|cipa\.|iptc\.|www\.iec|www\.metadataworking)[^\"'\s>]*"
)
# A letter may be followed by its accent (macOS writes names so).
_WORD = re.compile(r"(?:[^\W_][\u0300-\u036f]*){5,}")
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([-:./_ ]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")
_DAY_FIRST = re.compile(r"(?<!\d)(0?[1-9]|[12]\d|3[01])([-./_])(0?[1-9]|1[0-2])\2((?:19|20)\d\d)(?!\d)")
_CLOCK = re.compile(r"(?<!\d)([01]\d|2[0-3]):([0-5]\d):([0-5]\d)")


def canaries(text: str) -> Iterator[str]:
    """What of a text to look for: its short lines as a whole, its words of five characters and its dates.

    Left out is what names nobody: common words, one or two repeated characters, runs of the alphabet,
    the web addresses that name an XML vocabulary, and what stands in every file of a kind.
    """
    text = _VOCABULARIES.sub(" ", text)
    for line in re.split(r"[\0\r\n\t]+", text):
        whole = line.strip()
        if MIN_LENGTH <= len(whole) <= MAX_LENGTH and _telling(whole):
            yield whole
    for match in _WORD.finditer(text):
        word = match.group()
        if word.isdigit() and text[match.start() - 1 : match.start()] == ".":
            # Decimals: five of them are in any report that holds a few measurements.
            continue
        if len(word) <= MAX_LENGTH and _telling(word):
            yield word
    yield from dates(text)


def dates(text: str) -> Iterator[str]:
    """Each date in a text in the forms that files and people write, and each time of day to the second."""
    for year, _, month, day in _DATE.findall(text):
        yield from _spelled(int(year), int(month), int(day))
    for day, _, month, year in _DAY_FIRST.findall(text):
        yield from _spelled(int(year), int(month), int(day))
    for hour, minute, second in _CLOCK.findall(text):
        if (hour, minute, second) != ("00", "00", "00"):
            yield f"{hour}:{minute}:{second}"


def _spelled(year: int, month: int, day: int) -> Iterator[str]:
    try:
        date = datetime.date(year, month, day)
    except ValueError:
        return
    for form in ("%Y-%m-%d", "%Y:%m:%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y"):
        yield date.strftime(form)


def path_strings(path: Path) -> frozenset[str]:
    """Canaries from a file's name (without its suffix) and from the names of all folders above it.

    Each in both forms that Unicode has for accents, for systems differ in them; a name that is no valid
    UTF-8 also as Latin-1.
    """
    found: set[str] = set()
    for part in (path.stem, *path.absolute().parent.parts[1:]):
        spellings = [part.encode("utf-8", "replace").decode()]
        if spellings[0] != part:
            with contextlib.suppress(UnicodeEncodeError):
                # Half a pair of surrogates: no name on this system's disks, so it has no bytes to look for.
                spellings.append(os.fsencode(part).decode("latin-1"))
        for text in spellings:
            for form in ("NFC", "NFD"):
                found.update(canaries(unicodedata.normalize(form, text)))
    return frozenset(found)


def _telling(word: str) -> bool:
    plain = word.casefold()
    if plain in COMMON or plain in _KNOWN or len(set(plain)) < 3:
        return False
    # "0.0000", "-----", "+ + +": not a name, nor a number of any kind.
    if sum(c.isalnum() for c in plain) < 4:
        return False
    steps = {ord(b) - ord(a) for a, b in itertools.pairwise(plain)}
    return steps not in ({1}, {-1})
