"""Train ink.onnx: where is there ink on skin? A head on what CenterFace's trunk computes.

    python models/train/ink.py --media ../shared/media --skimage PATH --out models/ink.onnx \\
        [--apart ../shared/media/clinical] [--seed 1]

needs PyTorch, onnx and some fonts (fc-list) besides this project; none is a dependency of the product. ``--media``
holds ``faces/`` and ``skin/`` (CC BY 4.0, see models/ink.md), ``--skimage`` ``skimage/data`` of a scikit-image
wheel. Every tattoo is drawn here: words, shapes, lines, rosettes, shaded pictures, sleeves and scatterings, black and
in colour, on skin in these photos. No photo of a tattoo and no clinical picture is learned from.
"""

from __future__ import annotations

import subprocess

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import nn
from torch.nn import functional
from training import Apart, Head, export, fit, parser, read

from anonymizer.core.types import Box
from anonymizer.detect.marks.skin import skin
from anonymizer.detect.models.store import Store
from anonymizer.detect.trunk import Trunk, coarser, finer

N = 320
"""Side of a sample, pixels."""
CHANNELS = 472
FONTS = [
    line.split(":")[0]
    for line in subprocess.run(["fc-list"], capture_output=True, text=True, check=True).stdout.splitlines()
    if line.split(":")[0].endswith(("ttf", "otf"))
]
THINGS = ("coffee", "chelsea", "rocket", "color", "motorcycle_left", "retina", "ihc")


def blotches(im, rng):
    """Lesions over anything: red, brown or pale spots."""
    x = im.astype(np.float32)
    h, w = x.shape[:2]
    m = np.zeros((h, w), np.float32)
    n = int(rng.integers(1, 40))
    base = rng.uniform(3, 40)
    cx, cy = rng.uniform(0, w), rng.uniform(0, h)
    spread = rng.uniform(20, 120)
    for _ in range(n):
        cv2.ellipse(
            m,
            (int(rng.normal(cx, spread)), int(rng.normal(cy, spread))),
            (int(base * rng.uniform(0.4, 1.4)) + 1, int(base * rng.uniform(0.4, 1.4)) + 1),
            rng.uniform(0, 180),
            0,
            360,
            float(rng.uniform(0.3, 1)),
            -1,
        )
    m = cv2.GaussianBlur(m, (0, 0), rng.uniform(0.8, 6))[:, :, None]
    shift = np.array(
        [[-5, -50, -50], [-60, -70, -70], [30, 25, 25], [-20, -70, -40]][int(rng.integers(4))], np.float32
    ) * rng.uniform(0.4, 1.3)
    return (x + m * shift).clip(0, 255).astype(np.uint8)


def fractal(rng, n=N, lo=2, hi=7):
    out = np.zeros((n, n), np.float32)
    for o in range(lo, hi):
        k = 2**o
        out += cv2.resize(
            rng.normal(0, 1, (k, k)).astype(np.float32), (n, n), interpolation=cv2.INTER_CUBIC
        ) / (1.6 ** (o - lo))
    return (out - out.min()) / (np.ptp(out) + 1e-6)


def blob(rng, r, k=9, wild=0.35):
    a = np.linspace(0, 2 * np.pi, k, endpoint=False) + rng.uniform(0, 6)
    rad = r * (1 + rng.uniform(-wild, wild, k))
    return np.stack([rad * np.cos(a), rad * np.sin(a)], 1)


def spline(p, closed=True, n=160):
    if closed:
        t = np.linspace(0, len(p), n, endpoint=False)
        i = np.floor(t).astype(int)
        u = (t - i)[:, None]

        def P(j):
            return p[(i + j) % len(p)]
    else:
        t = np.linspace(0, len(p) - 1.001, n)
        i = np.floor(t).astype(int)
        u = (t - i)[:, None]

        def P(j):
            return p[np.clip(i + j, 0, len(p) - 1)]

    a, b, c, d = P(-1), P(0), P(1), P(2)
    return 0.5 * (2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3)


def poly(mask, p, v, width=0):
    q = (p * 16).astype(np.int32)[None]
    if width:
        cv2.polylines(mask, q, False, float(v), width, cv2.LINE_AA, 4)
    else:
        cv2.fillPoly(mask, q, float(v), cv2.LINE_AA, 4)


def strokes(rng, mask, r, c, n, width):
    for _ in range(n):
        p = (
            c
            + np.cumsum(rng.normal(0, r * 0.35, (int(rng.integers(3, 8)), 2)), 0)
            + rng.normal(0, r * 0.25, 2)
        )
        poly(mask, spline(p, False), rng.uniform(0.7, 1), max(1, int(width * rng.uniform(0.6, 1.6))))


def design(rng, r):
    """Opacity of outline, shade (N,N) in 0..1 and colour-fill masks, about the middle, radius r."""
    line = np.zeros((N, N), np.float32)
    shade = np.zeros((N, N), np.float32)
    fills = []
    c = np.array([N / 2, N / 2])
    w = max(1, int(r * rng.uniform(0.015, 0.07)))
    kind = rng.choice(
        ["word", "shape", "lines", "mandala", "picture", "sleeve", "solid", "scatter"],
        p=[0.1, 0.12, 0.1, 0.1, 0.28, 0.12, 0.12, 0.06],
    )
    if kind == "word":
        im = Image.new("L", (N, N))
        dr = ImageDraw.Draw(im)
        for k in range(int(rng.integers(1, 4))):
            txt = "".join(
                rng.choice(
                    list("abcdefghijklmnoprstuvwxyzABCDEFGHIJKLMNOPRSTUVXYZ0123456789 &+"),
                    int(rng.integers(1, 10)),
                )
            )
            font = ImageFont.truetype(str(rng.choice(FONTS)), max(8, int(r * rng.uniform(0.3, 1.0))))
            dr.text(
                (N / 2 + rng.normal(0, 4), N / 2 + (k - 1) * r * 0.6), txt, fill=255, font=font, anchor="mm"
            )
        line = np.asarray(im, np.float32) / 255
    elif kind == "shape":
        k = int(rng.integers(3, 9))
        a = np.linspace(0, 2 * np.pi, 2 * k, endpoint=False) - np.pi / 2
        m = rng.integers(4)
        if m == 0:
            p = np.stack([np.cos(a), np.sin(a)], 1) * np.where(np.arange(2 * k) % 2, 0.45, 1)[:, None] * r
        elif m == 1:
            t = np.linspace(0, 2 * np.pi, 80)
            p = (
                np.stack(
                    [
                        16 * np.sin(t) ** 3,
                        -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)),
                    ],
                    1,
                )
                / 17
                * r
            )
        elif m == 2:
            p = (
                np.array(
                    [
                        [-1, -0.25],
                        [-0.5, -0.5],
                        [-0.1, -0.1],
                        [0.1, -0.1],
                        [0.5, -0.6],
                        [1, -0.3],
                        [0.45, -0.2],
                        [0.25, 0.25],
                        [0, 0.45],
                        [-0.25, 0.2],
                        [-0.5, -0.2],
                    ]
                )
                * r
            )
        else:
            p = spline(blob(rng, r, int(rng.integers(4, 9)), 0.6))
        p = p + c
        if rng.random() < 0.5:
            poly(line, p, 1)
        else:
            poly(line, np.vstack([p, p[:1]]), 1, w)
    elif kind == "lines":
        strokes(rng, line, r, c, int(rng.integers(2, 14)), w)
    elif kind == "mandala":
        k = int(rng.integers(5, 14))
        base = [
            (r * rng.uniform(0.1, 1), rng.normal(0, 0.2, (int(rng.integers(3, 6)), 2)) * r)
            for _ in range(int(rng.integers(2, 6)))
        ]
        for d, q in base:
            q = np.cumsum(q, 0)
            for j in range(k):
                a = 2 * np.pi * j / k
                R = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
                poly(line, spline((q + np.array([d, 0])) @ R.T + c, False, 60), 1, w)
        for _ in range(int(rng.integers(1, 4))):
            cv2.circle(line, (N // 2, N // 2), int(r * rng.uniform(0.1, 1)), 1.0, w, cv2.LINE_AA)
    elif kind in ("picture", "sleeve", "solid"):
        if kind == "sleeve":
            reg = np.zeros((N, N), np.float32)
            h = r * rng.uniform(0.35, 0.8)
            L = r * rng.uniform(1.1, 2.4)
            cv2.rectangle(reg, (int(N / 2 - h), int(N / 2 - L)), (int(N / 2 + h), int(N / 2 + L)), 1.0, -1)
            reg = (cv2.GaussianBlur(reg, (0, 0), 3) + 0.5 * (fractal(rng) - 0.5) > 0.5).astype(np.float32)
        else:
            reg = np.zeros((N, N), np.float32)
            poly(reg, spline(blob(rng, r * 0.9, int(rng.integers(5, 12)), 0.45)) + c, 1)
        f = fractal(rng, lo=int(rng.integers(1, 4)), hi=int(rng.integers(5, 8)))
        if kind == "solid":
            shade = reg * rng.uniform(0.75, 1) * (1 - 0.3 * f)
        else:
            a, b = sorted(rng.uniform(0.15, 0.85, 2))
            shade = reg * ((f - a) / (b - a + 0.05)).clip(0, 1) * rng.uniform(0.5, 1)
            for _ in range(int(rng.integers(1, 6))):
                q = np.zeros((N, N), np.float32)
                poly(
                    q,
                    spline(blob(rng, r * rng.uniform(0.1, 0.5), int(rng.integers(3, 9)), 0.5))
                    + c
                    + rng.normal(0, r * 0.4, 2),
                    1,
                )
                e = cv2.morphologyEx(q, cv2.MORPH_GRADIENT, np.ones((3, 3)))
                line = np.maximum(line, cv2.dilate(e, np.ones((w, w))) * reg)
                if rng.random() < 0.5:
                    shade = np.maximum(shade, q * reg * rng.uniform(0.3, 1) * (1 - f * 0.6))
                else:
                    shade = shade * (1 - q * rng.uniform(0, 1))
            strokes(rng, line, r * 0.8, c, int(rng.integers(0, 10)), max(1, w // 2))
            line *= np.maximum(reg, 0.15)
            e = cv2.morphologyEx(reg, cv2.MORPH_GRADIENT, np.ones((3, 3)))
            if rng.random() < 0.6:
                line = np.maximum(line, cv2.dilate(e, np.ones((max(1, w), max(1, w)))))
    else:
        for _ in range(int(rng.integers(4, 20))):
            q = spline(blob(rng, r * rng.uniform(0.05, 0.16), 5, 0.6)) + c + rng.normal(0, r * 0.5, 2)
            poly(line, q, 1)
    if rng.random() < 0.4 and kind not in ("word", "lines"):
        for _ in range(int(rng.integers(1, 4))):
            q = np.zeros((N, N), np.float32)
            poly(q, spline(blob(rng, r * rng.uniform(0.2, 0.7), 7, 0.5)) + c + rng.normal(0, r * 0.3, 2), 1)
            reg = cv2.morphologyEx(
                (np.maximum(line, shade) > 0.2).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((15, 15))
            )
            fills.append(
                (
                    q * reg * (0.5 + 0.5 * fractal(rng)),
                    np.array(
                        [
                            [190, 30, 40],
                            [40, 80, 160],
                            [40, 120, 70],
                            [220, 170, 40],
                            [110, 50, 130],
                            [220, 110, 40],
                            [60, 150, 170],
                            [200, 60, 110],
                        ][int(rng.integers(8))],
                        np.float32,
                    ),
                )
            )
    return line, shade, fills, kind


BLACK = np.array([[22, 24, 30], [25, 30, 42], [30, 45, 48], [40, 42, 45], [55, 60, 66]], np.float32)


def inked(im, skinmask, rng):
    """im uint8 (N,N,3), skinmask bool (N,N): picture with ink and mask of the ink; None without room."""
    room = cv2.distanceTransform(skinmask.astype(np.uint8), cv2.DIST_L2, 5)
    if room.max() < 14:
        return None
    ys, xs = np.nonzero(room > room.max() * rng.uniform(0.3, 0.9))
    i = rng.integers(len(ys))
    y, x = ys[i], xs[i]
    r = float(np.clip(room[y, x] * rng.uniform(0.5, 2.2), 12, N * 0.45))
    line, shade, fills, kind = design(rng, r)
    A = cv2.getRotationMatrix2D(
        (N / 2, N / 2), rng.uniform(0, 360) if kind != "sleeve" else limb(skinmask, x, y), 1
    )
    A[:, 2] += [x - N / 2, y - N / 2]
    soft = cv2.GaussianBlur(skinmask.astype(np.float32), (0, 0), 1.2)

    def W(m):
        return cv2.warpAffine(m, A, (N, N)) * soft

    out = im.astype(np.float32)
    light = out.mean(2, keepdims=True) / max(1, out[skinmask].mean())
    blur = rng.uniform(0.4, 1.4)
    k = rng.uniform(0.5, 0.97)
    ink = BLACK[rng.integers(len(BLACK))]
    if rng.random() < 0.12:
        ink = np.array([150, 35, 45], np.float32) * rng.uniform(0.7, 1)
    total = np.zeros((N, N), np.float32)
    for m, col in fills:
        m = cv2.GaussianBlur(W(m), (0, 0), blur) * rng.uniform(0.45, 0.9)
        out = out * (1 - m[:, :, None]) + col * light.clip(0.4, 1.4) * m[:, :, None]
        total = np.maximum(total, m)
    for m in (shade, line):
        m = cv2.GaussianBlur(W(m), (0, 0), blur) * k
        out = out * (1 - m[:, :, None]) + ink * light.clip(0.4, 1.5) * m[:, :, None]
        total = np.maximum(total, m)
    mask = total > 0.3
    if mask.sum() < 60:
        return None
    if rng.random() < 0.3:  # irritated skin about fresh ink
        halo = cv2.GaussianBlur(total, (0, 0), rng.uniform(5, 16))[:, :, None] * soft[:, :, None]
        out += halo * np.array([25, -20, -20]) * rng.uniform(0.3, 1.2)
    return out.clip(0, 255).astype(np.uint8), mask


def limb(mask, x, y):
    s = mask[max(0, y - 50) : y + 50, max(0, x - 50) : x + 50]
    ys, xs = np.nonzero(s)
    if len(ys) < 20:
        return 0.0
    c = np.cov(np.stack([xs, ys]))
    v = np.linalg.eigh(c)[1][:, -1]
    return float(90 - np.degrees(np.arctan2(v[1], v[0])))


def clutter(im, rng):
    """What is no ink: bars, captions, hair, cloth, rings, moles."""
    im = im.copy()
    k = rng.integers(7)
    if k == 0:
        x, y = rng.uniform(0, N, 2)
        a, b = rng.uniform(15, 150), rng.uniform(8, 60)
        cv2.rectangle(
            im,
            (int(x), int(y)),
            (int(x + a), int(y + b)),
            (0, 0, 0) if rng.random() < 0.8 else (255, 255, 255),
            -1,
        )
    elif k == 1:
        p = Image.fromarray(im)
        d = ImageDraw.Draw(p)
        t = "".join(rng.choice(list("abcdefgh ijkmnoprstuvwxyzSFS.©0123"), int(rng.integers(3, 24))))
        d.text(
            tuple(rng.uniform(0, N * 0.8, 2)),
            t,
            fill=tuple([int(rng.choice([0, 255, 230]))] * 3),
            font=ImageFont.truetype(str(rng.choice(FONTS)), int(rng.uniform(9, 40))),
        )
        im = np.array(p)
    elif k == 2:
        q = np.zeros((N, N), np.float32)
        a = rng.uniform(0, 6.3)
        for _ in range(int(rng.integers(10, 120))):
            p = rng.uniform(0, N, 2)
            d = np.array([np.cos(a), np.sin(a)]) * rng.uniform(10, 60)
            poly(
                q,
                spline(
                    np.stack([p, p + d / 2 + rng.normal(0, 4, 2), p + d + rng.normal(0, 8, 2)]), False, 40
                ),
                1,
                1,
            )
        q = cv2.GaussianBlur(q, (0, 0), 0.6)[:, :, None] * rng.uniform(0.4, 1)
        im = (im * (1 - q) + np.array([35, 25, 20]) * q).clip(0, 255).astype(np.uint8)
    elif k == 3:  # cloth: a half plane or a strap to the edge, any colour, with folds
        a = rng.uniform(0, 6.3)
        yy, xx = np.mgrid[0:N, 0:N] - N / 2
        d = np.cos(a) * xx + np.sin(a) * yy + 12 * (fractal(rng, lo=1, hi=4) - 0.5) * 4
        o = rng.uniform(0, N * 0.4)
        m = (d > o) & (d < o + (rng.uniform(20, 60) if rng.random() < 0.4 else 999))
        col = rng.uniform(0, 255, 3) if rng.random() < 0.6 else np.array([20, 20, 25])
        f = (0.6 + 0.8 * fractal(rng, lo=1, hi=5))[:, :, None]
        x = im.astype(np.float32)
        x[m] = (col * f)[m]
        im = cv2.GaussianBlur(x, (0, 0), 0.6).clip(0, 255).astype(np.uint8)
    elif k == 4:
        x = im.astype(np.float32)
        for _ in range(int(rng.integers(1, 9))):
            q = np.zeros((N, N), np.float32)
            poly(q, spline(blob(rng, rng.uniform(2, 14), 7, 0.3)) + rng.uniform(20, N - 20, 2), 1)
            q = cv2.GaussianBlur(q, (0, 0), rng.uniform(0.8, 3))[:, :, None]
            x = x * (1 - q * rng.uniform(0.3, 0.85)) + np.array([70, 40, 30]) * q * rng.uniform(0, 0.5)
        im = x.clip(0, 255).astype(np.uint8)
    elif k == 5:  # a soft shadow, a gap between fingers
        q = np.zeros((N, N), np.float32)
        p = rng.uniform(0, N, 2)
        a = rng.uniform(0, 6.3)
        d = np.array([np.cos(a), np.sin(a)]) * rng.uniform(60, 300)
        poly(
            q,
            spline(np.stack([p - d, p, p + d]) + rng.normal(0, 10, (3, 2)), False),
            1,
            int(rng.integers(3, 22)),
        )
        q = cv2.GaussianBlur(q, (0, 0), rng.uniform(1.5, 10))[:, :, None] * rng.uniform(0.5, 1)
        im = (im * (1 - q) + np.array([30, 14, 10]) * q).clip(0, 255).astype(np.uint8)
    else:
        im = blotches(im, rng)
    return im


def sources(media, things, apart):
    """``(name, pixels, weight)`` of every photo that is drawn on."""
    held, found = Apart(apart), []
    for folder in ("skin", "faces"):
        for path in sorted((media / folder).glob("*.jpg")):
            if path.name.startswith("saltyfish"):
                continue  # without colour
            px = read(path)
            if held.has(px):
                continue
            few = 0.3 if path.name.startswith("darkpool") else 0.6
            found.append((path.name, px, 5.0 if folder == "skin" else few))
    found.append(("astronaut", read(things / "astronaut.png"), 2.0))
    for name in THINGS:
        (path,) = things.glob(f"{name}.*")
        found.append((name, read(path), 0.6))
    return found


def sample(found, weight, rng):
    """A picture ``(N, N, 3)`` and the mask of its tattoos, gaps included; None where a try came to nothing."""
    _, px, _ = found[rng.choice(len(found), p=weight)]
    h, ww = px.shape[:2]
    if rng.random() < 0.35:
        side, cx, cy = max(h, ww) * rng.uniform(1, 1.1), ww / 2, h / 2
    else:
        side = max(h, ww) * np.exp(rng.uniform(np.log(0.4), 0))
        cx, cy = rng.uniform(0, ww), rng.uniform(0, h)
    f = N / side
    A = cv2.getRotationMatrix2D((cx, cy), rng.normal(0, 15) + 90 * float(rng.integers(4)), f)
    A[0, 2] += N / 2 - cx
    A[1, 2] += N / 2 - cy
    value = (0, 0, 0) if rng.random() < 0.6 else (255, 255, 255)
    how = cv2.INTER_AREA if f < 1 else cv2.INTER_CUBIC
    im = cv2.warpAffine(px, A, (N, N), flags=how, borderMode=cv2.BORDER_CONSTANT, borderValue=value)
    box = Box(cx - side / 2, cy - side / 2, side, side)
    if box.within(ww, h).area < 0.7 * box.area:
        return None
    if rng.random() < 0.5:
        im = np.ascontiguousarray(im[:, ::-1])
    x = im.astype(np.float32)
    g = x.mean(2, keepdims=True)
    x = (g + (x - g) * rng.uniform(0.6, 1.4)) * rng.uniform(0.85, 1.15, 3)
    im = ((x / 255).clip(0, 1) ** rng.uniform(0.7, 1.5) * 255).astype(np.uint8)
    while rng.random() < 0.4:
        im = clutter(im, rng)
    y = np.zeros((N, N), bool)
    if rng.random() < 0.68:
        sk = cv2.morphologyEx(skin(im).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9)))
        sk = cv2.morphologyEx(sk, cv2.MORPH_OPEN, np.ones((9, 9))).astype(bool)
        if sk.mean() < 0.05:
            return None
        for _ in range(int(rng.integers(1, 3))):
            got = inked(im, sk, rng)
            if got:
                im, m = got
                y |= m
    if rng.random() < 0.15:
        im = clutter(im, rng)
    x = im.astype(np.float32)
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.5))
    im = (x + rng.normal(0, rng.uniform(0, 7), x.shape)).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 90))]
        im = cv2.imdecode(cv2.imencode(".jpg", im, quality)[1], cv2.IMREAD_COLOR)
    return im, cv2.morphologyEx(y.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((17, 17)))


class InkHead(Head):
    """Three layers and a word for each cell of 8 pixels."""

    def __init__(self, width=24, drop=0.2):
        super().__init__(CHANNELS)
        self.first, self.second = nn.Conv2d(CHANNELS, width, 1), nn.Conv2d(width, width, 3, padding=1)
        self.third, self.last = nn.Conv2d(width, width, 3, padding=2, dilation=2), nn.Conv2d(width, 1, 1)
        self.drop = drop

    def logits(self, x):
        x = functional.dropout2d(self.scaled(x), self.drop, self.training)
        h = functional.relu(self.second(functional.relu(self.first(x))))
        h = functional.dropout2d(h, self.drop, self.training)
        return self.last(functional.relu(self.third(h)) + h)

    def forward(self, x):
        return torch.sigmoid(self.logits(x))


def main():
    arguments = parser(__doc__.splitlines()[0], seed=1)
    arguments.add_argument("--count", type=int, default=2600)
    options = arguments.parse_args()
    rng = np.random.default_rng(options.seed)
    found = sources(options.media, options.skimage, options.apart)
    weight = np.array([one[2] for one in found])
    trunk, xs, ys = Trunk(Store()), [], []
    while len(xs) < options.count:
        made = sample(found, weight / weight.sum(), rng)
        if made is None:
            continue
        fine, middle, coarse, deep = trunk.features([np.ascontiguousarray(made[0])])[0]
        xs.append(
            np.concatenate([coarser(fine, 2), middle, finer(coarse, 2), finer(deep, 4)]).astype(np.float16)
        )
        ys.append(cv2.resize(made[1].astype(np.float32), (N // 8, N // 8), interpolation=cv2.INTER_AREA))
    x, y = torch.from_numpy(np.stack(xs)), torch.from_numpy(np.stack(ys))[:, None]
    torch.manual_seed(0)
    head, order = InkHead(), np.random.default_rng(0)
    head.learn_scale(x[:300].float())

    def loss_of():
        batch = order.choice(len(x), 16)
        z, wanted = head.logits(x[batch].float()), y[batch]
        heavier = torch.where(wanted > 0.5, 2.0, 1.0)
        soft = wanted * 0.96 + 0.02
        each = functional.binary_cross_entropy_with_logits(z, soft, reduction="none")
        p = torch.sigmoid(z)
        overlap = (2 * (p * wanted).sum() + 1) / (p.sum() + wanted.sum() + 1)
        return (each * heavier).mean() + 0.3 * (1 - overlap)

    fit(head, 8 * len(x) // 16, 4e-3, loss_of, every=100)
    export(head, 40, options.out, "ink")


if __name__ == "__main__":
    main()
