"""Make the pictures of the README from the sample media, with the program as it is. Run from the project's root:

    python docs/pictures/make.py

Before and after stand side by side. Needs the models (``anonymizer models fetch``); the pictures of the page and of a
report are taken in an installed Chromium (``apt install chromium``), and left as they are without one.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageEnhance, ImageFont
from playwright.sync_api import sync_playwright

from anonymizer.core.settings import Background, Settings, Style, TextPolicy
from anonymizer.core.types import Verdict
from anonymizer.gate.decisions import approve
from anonymizer.gate.folder import Gate
from anonymizer.road.pipeline import Session, anonymize_series
from anonymizer.road.sheet import make_sheet
from anonymizer.write.sheet import SheetPage

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


def shot(window: Any, name: str) -> None:
    """What a browser's window shows, as a PNG of few colours."""
    with Image.open(io.BytesIO(window.screenshot())) as seen:
        seen.convert("RGB").quantize(192).save(HERE / name, optimize=True)


def page_and_report(out: Path, chromium: str) -> None:
    """The page with a clip that waits and a place drawn on it, with a photo's preview, and the report of one photo."""
    with Session(out, Settings()) as session:
        (photo,) = session.run_all([SAMPLES / "label-and-code.png"])
    with Session(out, Settings(keep_mouth=True)) as session:
        list(
            session.run_all(
                [SAMPLES / name for name in ("interview.mp4", "close-up-mask.jpg", "portrait.jpg")]
            )
        )
    command = [sys.executable, "-m", "anonymizer", "--lang", "en", "app", str(out), "--no-browser"]
    with sync_playwright() as playwright, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as app:
        try:
            assert app.stdout is not None
            link = next(line.split()[-1] for line in app.stdout if "http://" in line)
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            window = browser.new_page(viewport={"width": 1280, "height": 720})
            window.goto(link)
            window.click("text=interview.mp4")
            window.wait_for_selector(".track")
            for _ in range(20):
                window.keyboard.press(".")
            window.select_option("#kind", "mark")
            stage = window.locator(".pane").first.locator(".picture").bounding_box()
            left, top, width, height = (stage[side] for side in ("x", "y", "width", "height"))
            window.mouse.move(left + 0.43 * width, top + 0.7 * height)
            window.mouse.down()
            window.mouse.move(left + 0.61 * width, top + 0.95 * height, steps=5)
            window.mouse.up()
            window.keyboard.press("v")
            window.wait_for_timeout(6000)
            shot(window, "review.png")
            window.click("#items >> text=portrait.jpg")
            window.wait_for_selector("#part-teeth")
            window.check("#cover")
            window.check("#part-teeth")
            window.keyboard.press("c")
            stage = window.locator(".pane").first.locator(".picture").first.bounding_box()
            left, top, width, height = (stage[side] for side in ("x", "y", "width", "height"))
            window.mouse.move(left + 0.2 * width, top + 0.01 * height)
            window.mouse.down()
            window.mouse.move(left + 0.8 * width, top + 0.6 * height, steps=5)
            window.mouse.up()
            window.wait_for_selector(".foreseen", timeout=60_000)
            window.wait_for_timeout(6000)
            window.evaluate("document.querySelector('.framing').scrollIntoView({block: 'center'})")
            shot(window, "preview.png")
            window.set_viewport_size({"width": 1000, "height": 1150})
            window.goto((out / "reports" / f"{photo.id}.html").as_uri())
            shot(window, "report.png")
            browser.close()
        finally:
            app.terminate()


def in_view() -> None:
    """The portrait with parts kept, the whole head hidden, and cropped to the mouth."""
    ways = {
        "--keep-part mouth": {"keep_part": ("mouth",)},
        "--keep-part left-eye": {"keep_part": ("left-eye",)},
        "--cover head, mouth kept": {"cover": "head", "keep_part": ("mouth",)},
        "--crop mouth": {"crop": "mouth"},
    }
    with Image.open(SAMPLES / "portrait.jpg") as picture:
        pictures = [
            picture.convert("RGB").crop((180, 0, 740, 520)).resize((452, HEIGHT), Image.Resampling.LANCZOS)
        ]
    with tempfile.TemporaryDirectory() as folder:
        for number, values in enumerate(ways.values()):
            with Session(Path(folder) / str(number), Settings.model_validate(values)) as session:
                (outcome,) = session.run_all([SAMPLES / "portrait.jpg"])
            print(values, outcome.verdict, *outcome.reasons)
            if outcome.output is None:
                raise SystemExit(f"portrait.jpg: {outcome.reasons[0]}")
            with Image.open(outcome.output) as made:
                shown = made.convert("RGB")
            if "crop" in values:
                pictures.append(shown.resize((2 * shown.width, 2 * shown.height), Image.Resampling.LANCZOS))
            else:
                part = shown.crop((180, 0, 740, 520))
                pictures.append(part.resize((452, HEIGHT), Image.Resampling.LANCZOS))
    save(row(pictures, ["before", *ways]), "in-view.jpg")


def room() -> None:
    """The portrait with the room about it replaced."""
    pictures = [fitted(SAMPLES / "portrait.jpg")]
    for how in (Background.PLAIN, Background.BLUR):
        with tempfile.TemporaryDirectory() as folder:
            with Session(Path(folder), Settings(background=how)) as session:
                (outcome,) = session.run_all([SAMPLES / "portrait.jpg"])
            print(how, outcome.verdict, *outcome.reasons)
            if outcome.output is None:
                raise SystemExit(f"portrait.jpg: {outcome.reasons[0]}")
            pictures.append(fitted(outcome.output))
    save(row(pictures, ["before", "--background plain", "--background blur"]), "room.jpg")


def visits() -> None:
    """Two visits, made of the portrait: another distance, place and light, and a spot on the shoulder that heals."""
    with Image.open(SAMPLES / "portrait.jpg") as picture:
        whole = picture.convert("RGB")
    made = []
    for box, light, spot in (
        ((160, 0, 760, 600), 1.0, (150, 20, 30)),
        ((110, 0, 790, 640), 0.9, (215, 75, 45)),
    ):
        shown = whole.copy()
        ImageDraw.Draw(shown).ellipse((220, 520, 300, 580), fill=spot)
        shown = ImageEnhance.Brightness(shown.crop(box)).enhance(light)
        made.append(shown.resize((800, round(800 * shown.height / shown.width)), Image.Resampling.LANCZOS))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("before.png", "after.png")]
        for path, picture in zip(paths, made, strict=True):
            picture.save(path)
        done = anonymize_series(paths, Settings(text=TextPolicy.IDENTIFYING), Path(folder) / "out")
        for outcome in done:
            print(outcome.verdict, *outcome.reasons)
        with Gate(Path(folder) / "out") as gate:
            # A person looked at the name tag and the badge, and found nothing to hide on them.
            ready = [
                outcome.output if outcome.verdict is Verdict.READY else approve(gate, outcome.id, "AB")
                for outcome in done
            ]
        outputs = [Path(folder) / "out" / "ready" / path.name for path in ready if path]
        sheet = make_sheet(outputs, captions=["Before", "After 6 weeks"], page=SheetPage.WIDE)
        print(sheet.verdict, *sheet.reasons)
        if sheet.output is None:
            raise SystemExit(f"sheet: {sheet.reasons[0]}")
        shown = [*(fitted(path) for path in paths), fitted(sheet.output)]
    save(row(shown, ["first visit", "second visit", "blur --same-patient, then sheet"]), "visits.jpg")


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
        in_view()
        room()
        visits()
        if chromium := shutil.which("chromium"):
            page_and_report(Path(folder) / "page", chromium)


if __name__ == "__main__":
    main()
