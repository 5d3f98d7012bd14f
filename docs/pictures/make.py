"""Make the pictures of the README from the sample media, with the program as it is. Run from the project's root:

    python docs/pictures/make.py

Before and after stand side by side. Needs the models (``anonymizer models fetch``) and nothing else.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from anonymizer.pipeline import Session
from anonymizer.settings import Settings, Style

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / "sample_media"
HEIGHT = 420
GAP = 12
MOST_BYTES = 150_000


def fitted(path: Path) -> Image.Image:
    picture = Image.open(path).convert("RGB")
    return picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT), Image.Resampling.LANCZOS)


def row(pictures: list[Image.Image], titles: list[str]) -> Image.Image:
    """Pictures side by side on white, each under its title."""
    width = sum(picture.width for picture in pictures) + GAP * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, HEIGHT + 34), "white")
    pen, left = ImageDraw.Draw(sheet), 0
    for picture, title in zip(pictures, titles, strict=True):
        pen.text((left + 2, 4), title, fill=(40, 52, 64), font=ImageFont.load_default(20))
        sheet.paste(picture, (left, 34))
        left += picture.width + GAP
    return sheet


def save(sheet: Image.Image, name: str) -> None:
    """As the best JPEG that is small enough for a README."""
    for quality in range(90, 40, -5):
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality)
        if buffer.tell() < MOST_BYTES:
            (HERE / name).write_bytes(buffer.getvalue())
            return
    raise SystemExit(f"{name} does not fit into {MOST_BYTES} bytes")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:

        def done(name: str, settings: Settings) -> Image.Image:
            with Session(Path(folder) / settings.style, settings) as session:
                (outcome,) = session.run_all([SAMPLES / name])
            print(name, settings.style, outcome.verdict, *outcome.reasons)
            if outcome.output is None:
                raise SystemExit(f"{name}: {outcome.reasons[0]}")
            return fitted(outcome.output)

        for name in ("close-up-mask.jpg", "label-and-code.png"):
            pictures = [fitted(SAMPLES / name), done(name, Settings())]
            save(row(pictures, ["before", "after"]), f"{Path(name).stem}.jpg")
        faces = [fitted(SAMPLES / "portrait-turned.jpg")]
        faces += [done("portrait-turned.jpg", Settings(style=style)) for style in Style]
        save(row(faces, ["before", *(f"style = {style}" for style in Style)]), "styles.jpg")


if __name__ == "__main__":
    main()
