"""The program's mark as pixels, for the systems that take no SVG: the same as the page's ``icon.svg``."""

from __future__ import annotations

import io

# The plugins that write: this program has Pillow load no other than it names.
from PIL import IcnsImagePlugin as IcnsImagePlugin
from PIL import IcoImagePlugin as IcoImagePlugin
from PIL import Image, ImageDraw
from PIL import PngImagePlugin as PngImagePlugin

SIDE = 1024
"""Pixels at which it is drawn, to be reduced; the drawing's own side is 32."""
GROUND, LINE = (14, 102, 114, 255), (255, 255, 255, 255)


def icon(kind: str) -> bytes:
    """The mark as a file of a ``kind``: ``PNG``, ``ICO`` or ``ICNS``."""
    large = Image.new("RGBA", (SIDE, SIDE))
    draw = ImageDraw.Draw(large)
    unit = SIDE / 32

    def box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        return left * unit, top * unit, right * unit, bottom * unit

    draw.rounded_rectangle(box(0, 0, 32, 32), 8 * unit, fill=GROUND)
    width = round(2.2 * unit)
    draw.ellipse(box(8.4, 5.4, 23.6, 20.6), outline=LINE, width=width)
    draw.arc(box(4.4, 19.1, 27.6, 37), 200, 340, fill=LINE, width=width)
    draw.rounded_rectangle(box(5.2, 11.2, 26.8, 14.8), 1.8 * unit, fill=LINE)
    small = large.resize((256, 256), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, kind)
    return file.getvalue()
