"""Make the sample media: the public-domain portrait of Eileen Collins (NASA) in six clinical disguises.

Every file carries planted traces (GPS, EXIF thumbnail, XMP, comment, text behind the end), all invented, so
that the demo has something to find. Needs scikit-image for the portrait; run from the project's root:

    pip install scikit-image && python sample_media/make.py
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import zxingcpp
from PIL import Image, ImageDraw, ImageFilter, ImageFont, PngImagePlugin
from skimage import data

HERE = Path(__file__).parent
PATIENT = "Martha Mustermann"
XMP = (
    b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf="
    b"'http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'>"
    b"<dc:subject>Martha Mustermann</dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def jpeg(image: Image.Image, quality: int = 88, **more: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, **more)
    return buffer.getvalue()


def exif(image: Image.Image) -> bytes:
    """An EXIF block with camera, serial number, date, position and a thumbnail of the unblurred picture."""
    small = image.copy()
    small.thumbnail((160, 160))
    thumbnail = jpeg(small, 70)
    block = Image.Exif()
    block[0x010F], block[0x0110], block[0x0132] = "Muster Optik", "PraxisCam 3", "2024:05:17 09:30:00"
    block[0x013B] = "Dr. Erika Beispiel"
    details = block.get_ifd(0x8769)
    details[0x9003], details[0xA431] = "2024:05:17 09:30:00", "SN-4711-0815"
    place = block.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "N", (52.0, 31.0, 12.0), "E", (13.0, 24.0, 18.0)
    plain = block.tobytes()[6:] if block.tobytes().startswith(b"Exif\0\0") else block.tobytes()
    # Pillow writes no thumbnail: append IFD1 and hook it to the end of IFD0.
    order = "<" if plain[:2] == b"II" else ">"
    (ifd0,) = struct.unpack_from(order + "I", plain, 4)
    (count,) = struct.unpack_from(order + "H", plain, ifd0)
    at = len(plain) + len(plain) % 2
    ifd1 = struct.pack(order + "H", 2)
    ifd1 += struct.pack(order + "HHII", 0x0201, 4, 1, at + 2 + 24 + 4)
    ifd1 += struct.pack(order + "HHII", 0x0202, 4, 1, len(thumbnail)) + struct.pack(order + "I", 0)
    joined = bytearray(plain.ljust(at, b"\0") + ifd1 + thumbnail)
    struct.pack_into(order + "I", joined, ifd0 + 2 + 12 * count, at)
    return b"Exif\0\0" + bytes(joined)


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def laden(image: Image.Image, tail: bytes = b"") -> bytes:
    """A JPEG with everything that a phone and a practice's software leave in it."""
    plain = jpeg(image)
    marks = segment(0xE1, exif(image)) + segment(0xE1, XMP)
    marks += segment(0xFE, f"Patient {PATIENT}, geb. 01.02.1970".encode())
    return plain[:2] + marks + plain[2:] + tail


def portrait() -> Image.Image:
    return Image.fromarray(data.astronaut()).resize((1024, 1024), Image.Resampling.LANCZOS)


def group(face: Image.Image) -> Image.Image:
    """Five heads of different size, tint and tilt before a plain wall."""
    wall = Image.new("RGB", (1280, 860), (206, 214, 218)).convert("RGB")
    head = face.crop((240, 0, 700, 620))
    rng = np.random.default_rng(7)
    for index, (x, y, size, tilt) in enumerate(
        [
            (60, 180, 300, 0),
            (380, 90, 230, -8),
            (640, 240, 330, 12),
            (960, 120, 200, -20),
            (1090, 470, 150, 5),
        ]
    ):
        one = head if index % 2 == 0 else head.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        tint = rng.uniform(0.75, 1.1, 3)
        one = Image.fromarray(np.clip(np.asarray(one) * tint, 0, 255).astype(np.uint8))
        mask = Image.new("L", one.size, 0)
        ImageDraw.Draw(mask).ellipse((40, 10, one.width - 40, one.height - 20), fill=255)
        mask = mask.filter(ImageFilter.GaussianBlur(6))
        height = round(size * one.height / one.width)
        one = one.resize((size, height)).rotate(tilt, expand=False)
        mask = mask.resize((size, height)).rotate(tilt, expand=False)
        wall.paste(one, (x, y), mask)
    return wall


def masked(face: Image.Image) -> Image.Image:
    """The face fills the frame, with a surgical mask over nose and mouth."""
    close = face.crop((300, 40, 620, 440)).resize((960, 1200), Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(close)
    pen.polygon(
        [(150, 640), (430, 560), (760, 640), (740, 900), (460, 1050), (210, 900)], fill=(150, 196, 214)
    )
    for y in (700, 770, 840):
        pen.line([(180, y), (450, y - 30), (740, y)], fill=(120, 168, 188), width=4)
    return close.filter(ImageFilter.GaussianBlur(0.8))


def skin(width: int, height: int) -> Image.Image:
    """A patch of skin with a pigmented lesion: what must stay as it is."""
    rng = np.random.default_rng(3)
    noise = sum(
        cv2.resize(
            rng.normal(0, 1, (height // s, width // s)), (width, height), interpolation=cv2.INTER_CUBIC
        )
        * s
        for s in (2, 8, 32, 96)
    )
    base = np.array([214, 168, 146]) + np.asarray(noise)[..., None] * np.array([0.16, 0.15, 0.14])
    y, x = np.mgrid[:height, :width]
    wobble = 1 + 0.12 * np.sin(np.arctan2(y - height / 2, x - width / 2) * 5)
    far = np.hypot((x - width / 2) / 150, (y - height / 2) / 110) / wobble
    dark = 1 / (1 + np.exp((far - 1) * 9))
    lesion = np.array([96, 60, 48]) + np.asarray(noise)[..., None] * 0.25
    return Image.fromarray(
        np.clip(base * (1 - dark[..., None]) + lesion * dark[..., None], 0, 255).astype(np.uint8)
    )


def label_and_code() -> Image.Image:
    """A wristband with an invented name and a QR code, on a patch of skin."""
    scene = skin(1200, 800)
    pen = ImageDraw.Draw(scene)
    pen.rounded_rectangle((120, 480, 1080, 720), 26, fill=(244, 246, 247), outline=(180, 186, 190), width=4)
    big, small = ImageFont.load_default(54), ImageFont.load_default(34)
    pen.text((160, 505), "MUSTERMANN, Martha", fill=(20, 24, 28), font=big)
    pen.text((160, 585), "geb. 01.02.1970   Fall 2024-0815", fill=(20, 24, 28), font=small)
    pen.text((160, 640), "Praxis Dr. Beispiel, Berlin", fill=(20, 24, 28), font=small)
    code = zxingcpp.create_barcode(f"{PATIENT};1970-02-01;2024-0815", zxingcpp.BarcodeFormat.QRCode)
    picture = (
        Image.fromarray(np.asarray(code.to_image(scale=6)))
        .convert("RGB")
        .resize((200, 200), Image.Resampling.NEAREST)
    )
    scene.paste(picture, (860, 500))
    return scene


def clip(face: Image.Image) -> None:
    """Three seconds in which the head drifts through the frame and the light flickers, with sound and traces."""
    width, height, rate = 480, 360, 25
    head = np.asarray(face.resize((400, 400), Image.Resampling.LANCZOS), np.float32)
    tags = {
        "title": PATIENT,
        "comment": "Control after surgery, 17.05.2024",
        "location": "+52.5163+013.3777/",
        "creation_time": "2024-05-17T09:30:00.000000Z",
    }
    with av.open(str(HERE / "interview.mp4"), "w", options={"movflags": "use_metadata_tags"}) as out:
        out.metadata.update(tags)
        video = out.add_stream("libx264", rate=rate, options={"crf": "27", "preset": "slow"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        sound = out.add_stream("aac", rate=48_000, options={"b": "32k"})
        sound.layout = "mono"
        for number in range(3 * rate):
            frame = np.full((height, width, 3), (96, 112, 120), np.float32)
            x, y = 60 + round(50 * np.sin(number / 14)), 8 + round(6 * np.sin(number / 5))
            part = head[: height - y, : width - x]
            frame[y : y + part.shape[0], x : x + part.shape[1]] = part
            frame *= 1 + 0.12 * np.sin(number * 1.7)
            picture = av.VideoFrame.from_ndarray(np.clip(frame, 0, 255).astype(np.uint8), "rgb24")
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
        tone = 2000 * np.sin(2 * np.pi * 220 * np.arange(3 * 48_000) / 48_000)
        for start in range(0, len(tone), 1024):
            block = av.AudioFrame.from_ndarray(
                tone[None, start : start + 1024].astype(np.float32) / 32768, "fltp", "mono"
            )
            block.sample_rate, block.pts = 48_000, start
            out.mux(sound.encode(block))
        out.mux(sound.encode(None))


def main() -> None:
    face = portrait()
    clip(face)
    (HERE / "portrait.jpg").write_bytes(laden(face))
    turned = face.transpose(Image.Transpose.ROTATE_90)
    (HERE / "portrait-turned.jpg").write_bytes(laden(turned, tail=jpeg(turned.resize((256, 256)))))
    (HERE / "group.jpg").write_bytes(laden(group(face), tail=b"Motion photo of Martha Mustermann"))
    (HERE / "close-up-mask.jpg").write_bytes(laden(masked(face)))
    (HERE / "no-face.jpg").write_bytes(laden(skin(1000, 750)))
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Author", "Dr. Erika Beispiel")
    notes.add_text("Comment", f"{PATIENT}, Handgelenk links", zip=True)
    scene = label_and_code()
    buffer = io.BytesIO()
    scene.quantize(224).convert("RGB").save(buffer, "PNG", pnginfo=notes, exif=exif(scene), optimize=True)
    content = buffer.getvalue()
    date = struct.pack(">HBBBBB", 2024, 5, 17, 9, 30, 0)
    chunk = struct.pack(">I", len(date)) + b"tIME" + date + struct.pack(">I", zlib.crc32(b"tIME" + date))
    (HERE / "label-and-code.png").write_bytes(content[:33] + chunk + content[33:])


if __name__ == "__main__":
    main()
