"""Colours that a picture names by numbers, not by a profile: PNG's cICP, gAMA and cHRM, the ``nclx`` of AVIF and HEIC.

Numbers: ITU-T H.273. What outranks what: PNG 3rd edition, 4.3; ISO/IEC 23008-12, 6.5.5. Looks at headers alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anonymizer.core import hdr
from anonymizer.core.message import Message
from anonymizer.core.types import Pixels
from anonymizer.read.colorimetry import BT709, PRIMARIES, WHITE, Corners, fitted, shown_light, to_xyz
from anonymizer.read.traces.isobmff import read_heif

STRIP = 1 << 19
"""Pixels that are converted at a time."""
_PRIMARIES: dict[int, Corners] = {
    **PRIMARIES,
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060)),
    **dict.fromkeys((6, 7), ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))),
}
_SRGB = 0.0
"""In place of an exponent: sRGB's curve."""
_CURVES = {**dict.fromkeys((1, 2, 6, 13, 14, 15), _SRGB), 4: 2.2, 5: 2.8, 8: 1.0}
"""The exponents of the curves of ordinary pictures; the video's count as sRGB's, as all browsers take them."""
_USUAL = 1 / 2.2
_NEAR = 0.05
"""A gAMA so near to the usual one is taken for it, and sRGB's curve with it (libpng's threshold)."""
_CHRM_NEAR = 0.005
_GAIN_MAPS = (b"urn:iso:std:iso:ts:21496:-1", b"hdrgm:Version", b"HDRGainMapVersion")
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""The cone response in which one white becomes another (ICC.1, annex E)."""


@dataclass(frozen=True, slots=True)
class NumberedColours:
    """Colours other than sRGB's: the corners' and the white's x and y, and the curve.

    ``transfer`` is :data:`hdr.PQ`, :data:`hdr.HLG` or 0; then light is the value to the power of ``exponent``.
    """

    corners: Corners = PRIMARIES[BT709]
    white: tuple[float, float] = WHITE
    transfer: int = 0
    exponent: float = _SRGB

    @property
    def note(self) -> Message:
        """What the report says of the conversion."""
        return Message("photo.hdr") if self.transfer else Message("photo.colours-by-number")


def by_number(primaries: int, transfer: int) -> NumberedColours | None:
    """Colours by their numbers; None for sRGB, and for what has none here (as if unspecified)."""
    corners = _PRIMARIES.get(primaries, PRIMARIES[BT709])
    if transfer in (hdr.PQ, hdr.HLG):
        return NumberedColours(corners, transfer=transfer)
    exponent = _CURVES.get(transfer, _SRGB)
    usual = corners == PRIMARIES[BT709] and exponent == _SRGB
    return None if usual else NumberedColours(corners, exponent=exponent)


def colours_of(content: bytes, form: str) -> NumberedColours | None:
    """The colours of a PNG, AVIF or HEIF that names them by number; None for sRGB's, and where a profile outranks them.

    Never raises, whatever the bytes.
    """
    look = {"PNG": _of_png, "AVIF": _of_heif, "HEIF": _of_heif}.get(form)
    try:
        return look(content) if look else None
    except (struct.error, LookupError, ValueError, OverflowError, ArithmeticError):
        return None


def _of_png(content: bytes) -> NumberedColours | None:
    chunks = dict(_chunks(content))
    if len(chunks.get(b"cICP", b"")) == 4:
        # The third is the matrix, which is none for RGB; the fourth says that black is 0.
        primaries, transfer, _, full = chunks[b"cICP"]
        return by_number(primaries, transfer) if full else None
    if b"iCCP" in chunks or b"sRGB" in chunks or b"gAMA" not in chunks:
        return None
    gamma = struct.unpack(">I", chunks[b"gAMA"])[0] / 100_000
    if not 0.1 <= gamma <= 10:
        return None
    exponent = _SRGB if abs(gamma / _USUAL - 1) <= _NEAR else 1 / gamma
    colours = NumberedColours(exponent=exponent)
    if b"cHRM" in chunks:
        x, y, *rest = (value / 100_000 for value in struct.unpack(">8I", chunks[b"cHRM"]))
        corners = (rest[0], rest[1]), (rest[2], rest[3]), (rest[4], rest[5])
        told, usual = np.array([(x, y), *corners]), np.array([WHITE, *PRIMARIES[BT709]])
        if (told[:, 1] > 0).all() and np.abs(told - usual).max() > _CHRM_NEAR and _sensible(corners, (x, y)):
            colours = NumberedColours(corners, (x, y), exponent=exponent)
    return None if colours == NumberedColours() else colours


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks that lie before the pixels; of a long one its beginning."""
    at = 8
    for _ in range(1000):
        if at + 8 > len(content):
            return
        size, name = struct.unpack_from(">I4s", content, at)
        if name == b"IDAT":
            return
        yield name, content[at + 8 : at + 8 + min(size, 256)]
        at += 12 + size


def _of_heif(content: bytes) -> NumberedColours | None:
    heif = read_heif(content)
    told = [
        content[box.body : min(box.end, box.body + 16)]
        for box in heif.properties_of(heif.primary)
        if box.name == b"colr"
    ]
    if any(body[:4] in (b"prof", b"rICC") for body in told):
        return None
    numbers = next((struct.unpack_from(">HH", body, 4) for body in told if body[:4] == b"nclx"), None)
    return by_number(*numbers) if numbers else None


def has_gain_map(content: bytes, form: str) -> bool:
    """Whether the file tells brighter screens how to show more light (ISO 21496-1, Ultra HDR, Apple's)."""
    if form == "JPEG":
        return any(mark in content for mark in _GAIN_MAPS)
    if form not in ("HEIF", "AVIF"):
        return False
    heif = read_heif(content)
    return any(item.type == b"tmap" for item in heif.items.values()) or any(
        box.name == b"auxC" and b"hdrgainmap" in content[box.body : min(box.end, box.body + 256)]
        for box in heif.properties
    )


def _sensible(corners: Corners, white: tuple[float, float]) -> bool:
    """Whether the corners span a triangle with the white in it."""
    try:
        return bool((np.linalg.solve(to_xyz(corners, white), _xyz(white)) > 0).all())
    except np.linalg.LinAlgError:
        return False


def _xyz(white: tuple[float, float]) -> NDArray[np.float64]:
    x, y = white
    return np.array([x / y, 1, (1 - x - y) / y])


def srgb(values: NDArray[np.uint8] | NDArray[np.uint16], top: int, colours: NumberedColours) -> Pixels:
    """``(h, w, 3)`` values from 0 to ``top`` as 8-bit sRGB: dynamic range as clips map it, other colours cut off."""
    own = to_xyz(colours.corners, colours.white)
    matrix = np.linalg.solve(to_xyz(PRIMARIES[BT709]), _adapted(colours.white) @ own).T.astype(np.float32)
    every = np.arange(int(np.iinfo(values.dtype).max) + 1)
    signal = np.clip(every / top, 0, 1).astype(np.float32)
    one = _light(signal, colours)
    done = np.empty(values.shape, np.uint8)
    rows = max(1, STRIP // max(1, values.shape[1]))
    for start in range(0, len(values), rows):
        part = values[start : start + rows]
        if colours.transfer:
            light = fitted(shown_light(signal[part], colours.transfer, own[1]) @ matrix)
        else:
            light = np.clip(one[part] @ matrix, 0, 1)
        done[start : start + rows] = _CODED[(light * 65535 + 0.5).astype(np.uint16)]
    return done


def _light(signal: NDArray[np.float32], colours: NumberedColours) -> NDArray[np.float32]:
    """The light of each value of an ordinary picture, 0 to 1."""
    if colours.exponent != _SRGB:
        return np.asarray(signal**colours.exponent, np.float32)
    # IEC 61966-2-1.
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _adapted(white: tuple[float, float]) -> NDArray[np.float64]:
    """From colours about this white to colours about D65."""
    if white == WHITE:
        return np.eye(3)
    ratio = (_BRADFORD @ _xyz(WHITE)) / (_BRADFORD @ _xyz(white))
    return np.asarray(np.linalg.solve(_BRADFORD, np.diag(ratio) @ _BRADFORD))


def _coded() -> NDArray[np.uint8]:
    """sRGB's 8 bits for light of 0 to 65535 (IEC 61966-2-1)."""
    light = np.arange(65536) / 65535
    coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(coded * 255), np.uint8)


_CODED = _coded()
