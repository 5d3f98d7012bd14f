"""What a JPEG XL says of itself before its first pixel: size, movement, colours (ISO/IEC 18181-1, annex D and E)."""

from __future__ import annotations

from dataclasses import dataclass

from anonymizer.read.photo.numbered import NumberedColours, by_number
from anonymizer.read.traces.isobmff import boxes

Numbers = tuple[int, int]
_SRGB = 1, 13
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


@dataclass(frozen=True, slots=True)
class JpegXl:
    """Width and height in pixels as stored; ``srgb``: whether its colours are surely sRGB's; others told by number."""

    width: int
    height: int
    moves: bool
    srgb: bool
    colours: NumberedColours | None = None


class _Bits:
    """A reader of bits, the lowest of each byte first. Raises EOFError behind the end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def __call__(self, count: int) -> int:
        if count > self._left:
            raise EOFError
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return value

    def one_of(self, *choices: tuple[int, int]) -> int:
        """A U32: two bits choose an offset and how many bits to add to it."""
        offset, more = choices[self(2)]
        return offset + self(more)


def header(content: bytes) -> JpegXl | None:
    """The head of a file or bare codestream; None where it makes no sense."""
    stream = codestream(content)
    if stream[:2] != b"\xff\x0a":
        return None
    bits = _Bits(stream[2:300])
    try:
        width, height = _size(bits)
        moves, numbers = _metadata(bits)
    except EOFError:
        return None
    colours = by_number(*numbers) if numbers else None
    return JpegXl(width, height, moves, numbers is not None and colours is None, colours)


def codestream(content: bytes) -> bytes:
    """The beginning of the codestream: the file itself, or that in its box or first partial box."""
    if content[:2] == b"\xff\x0a":
        return content[:4096]
    for box in boxes(content, 0, len(content)):
        if box.name in (b"jxlc", b"jxlp"):
            start = box.body + (4 if box.name == b"jxlp" else 0)
            return content[start : min(box.end, start + 4096)]
    return b""


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits(1)
    lengths = (1, 9), (1, 13), (1, 18), (1, 30)
    height = 8 * (bits(5) + 1) if small else bits.one_of(*lengths)
    ratio = bits(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return height * across // down, height
    return (8 * (bits(5) + 1) if small else bits.one_of(*lengths)), height


def _metadata(bits: _Bits) -> tuple[bool, Numbers | None]:
    """Whether it moves, and its primaries and curve. What is rare before the colours leaves them unsure: None."""
    if bits(1):
        return False, _SRGB
    moves = False
    if bits(1):
        bits(3)
        if bits(1):
            _size(bits)
        if bits(1):
            return False, None  # a preview: its header is not read
        moves = bool(bits(1))
        if moves:
            bits.one_of((100, 0), (1000, 0), (1, 10), (1, 30))
            bits.one_of((1, 0), (1001, 0), (1, 8), (1, 10))
            bits.one_of((0, 0), (0, 3), (0, 16), (0, 32))
            bits(1)
    if bits(1):
        bits.one_of((32, 0), (16, 0), (24, 0), (1, 6))
        bits(4)
    else:
        bits.one_of((8, 0), (10, 0), (12, 0), (1, 6))
    bits(1)
    for _ in range(min(8, bits.one_of((0, 0), (1, 0), (2, 4), (1, 12)))):
        if not bits(1):
            return moves, None  # a channel of another kind than plain transparency
    bits(1)
    return moves, _colours(bits)


def _colours(bits: _Bits) -> Numbers | None:
    """Primaries and curve of an RGB or grey about D65, by numbers that are H.273's; None for any other."""
    if bits(1):
        return _SRGB
    if bits(1):
        return None  # an ICC profile
    space = _enum(bits)
    if space not in (0, 1) or _enum(bits) != 1:
        return None
    primaries = 1 if space else _enum(bits)
    if primaries not in (1, 9, 11) or bits(1):  # corners, or an exponent, of its own
        return None
    transfer = _enum(bits)
    return (primaries, transfer) if transfer in (1, 8, 13, 16, 18) else None


def _enum(bits: _Bits) -> int:
    return bits.one_of((0, 0), (1, 0), (2, 4), (18, 6))
