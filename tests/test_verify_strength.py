"""The strength check measures pixels: it believes no claim, and it lets every honest redaction pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anonymizer.core.settings import SAFE_NOISE, Settings
from anonymizer.core.types import Box, Check, Evidence, Kind, Pixels, Redaction, Region, Result, Shape, Style
from anonymizer.redact.photo import redact, redaction_box, restore
from anonymizer.verify import integrity, strength
from anonymizer.verify.strength import Bound
from anonymizer.write.photo import write_photo

BOUND = Bound(4, SAFE_NOISE)
FACE = Region(Box(430, 90, 190, 240), Kind.FACE, (Evidence("a test", 1.0),))
"""Where the portrait's face is."""


def claimed(
    shape: Shape = Shape.ELLIPSE, style: Style = Style.BLUR, grid: tuple[int, int] = (4, 4)
) -> Redaction:
    """A redaction over the portrait's face, whatever was really drawn there."""
    return Redaction(Kind.FACE, shape, style, redaction_box(FACE, Settings()), grid, FACE.evidence)


def reread(pixels: Pixels, quality: int = 95) -> Pixels:
    """What a quality of 95 without subsampling leaves of the pixels."""
    _, data = cv2.imencode(
        ".jpg",
        cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR),
        [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111],
    )
    return integrity.decoded(data.tobytes())


def judged(pixels: Pixels, *redactions: Redaction, limit: int = 4, noise: float = SAFE_NOISE) -> Check:
    """By the written pixels alone: what the source is, is not told."""
    return strength.check(reread(pixels), redactions, [], Bound(limit, noise), [None] * len(redactions))


def compared(
    pixels: Pixels, source: Pixels, redactions: Sequence[Redaction], noise: float = SAFE_NOISE, limit: int = 4
) -> Check:
    """By the written pixels and the source's."""
    sources = strength.brightness(source, redactions)
    return strength.check(reread(pixels), redactions, [], Bound(limit, noise), sources)


@pytest.mark.parametrize("shape", [Shape.ELLIPSE, Shape.BOX])
@pytest.mark.parametrize("style", [Style.BLUR, Style.PIXELATE, Style.FILL])
def test_a_clear_face_fails_whatever_is_claimed(portrait: Pixels, shape: Shape, style: Style) -> None:
    grid = (1, 1) if style is Style.FILL else (4, 4)
    assert judged(portrait, claimed(shape, style, grid)).result is Result.FAIL


@pytest.mark.parametrize("share", [0.02, 0.05])
def test_a_plain_gaussian_blur_fails(portrait: Pixels, share: float) -> None:
    redaction = claimed()
    left, top, right, bottom = redaction.box
    weak = portrait.copy()
    weak[top:bottom, left:right] = cv2.GaussianBlur(portrait, (0, 0), share * (right - left))[
        top:bottom, left:right
    ]
    assert judged(weak, redaction).result is Result.FAIL


@pytest.mark.parametrize("cells", [6, 8, 12, 16])
@pytest.mark.parametrize("style", [Style.BLUR, Style.PIXELATE])
def test_a_finer_grid_than_claimed_fails(portrait: Pixels, style: Style, cells: int) -> None:
    weak, (redaction,) = redact(portrait, [FACE], Settings(grid=cells, noise=0, style=style))
    lying = Redaction(
        redaction.kind, redaction.shape, redaction.style, redaction.box, (4, 4), redaction.evidence
    )
    assert judged(weak, lying).result is Result.FAIL
    assert judged(weak, redaction).result is Result.FAIL, "an honest claim of too fine a grid fails too"
    assert judged(weak, redaction, limit=cells).result is Result.PASS, "unless a person allowed it"


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
@pytest.mark.parametrize("style", list(Style))
def test_a_half_covered_face_fails(portrait: Pixels, style: Style, side: str) -> None:
    hidden, (redaction,) = redact(portrait, [FACE], Settings(style=style, shape=Shape.BOX))
    left, top, right, bottom = redaction.box
    middle_x, middle_y = (left + right) // 2, (top + bottom) // 2
    half = {
        "left": np.s_[top:bottom, left:middle_x],
        "right": np.s_[top:bottom, middle_x:right],
        "top": np.s_[top:middle_y, left:right],
        "bottom": np.s_[middle_y:bottom, left:right],
    }[side]
    hidden[half] = portrait[half]
    assert judged(hidden, redaction).result is Result.FAIL


def test_a_redaction_drawn_beside_the_face_fails(portrait: Pixels) -> None:
    aside = Region(FACE.box.scaled(1.0).padded(0), Kind.FACE, FACE.evidence).moved(Box(30, 500, 190, 240))
    hidden, _ = redact(portrait, [aside], Settings())
    assert judged(hidden, claimed()).result is Result.FAIL


def test_eyes_left_clear_fail(portrait: Pixels) -> None:
    """A hundredth of the region is enough: the strip of the eyes alone identifies."""
    hidden, (redaction,) = redact(portrait, [FACE], Settings())
    restore(hidden, portrait, [Box(450, 160, 150, 40)])
    assert judged(hidden, redaction).result is Result.FAIL


@pytest.mark.parametrize("shape", [Shape.ELLIPSE, Shape.BOX])
@pytest.mark.parametrize("style", list(Style))
def test_half_an_eye_left_clear_fails(portrait: Pixels, style: Style, shape: Shape) -> None:
    """Half a hundredth of the region: averaged over all of it, this would not be noticed."""
    hidden, (redaction,) = redact(portrait, [FACE], Settings(style=style, shape=shape))
    restore(hidden, portrait, [Box(465, 163, 32, 16)])
    assert judged(hidden, redaction).result is Result.FAIL


@pytest.mark.parametrize("style", list(Style))
def test_a_small_clear_face_under_a_large_redaction_fails(portrait: Pixels, style: Style) -> None:
    hidden, redactions = redact(
        portrait, [Region(Box(50, 50, 900, 900), Kind.FACE, ())], Settings(style=style)
    )
    face = FACE.box.pixels(1024, 1024)
    small = cv2.resize(portrait[face[1] : face[3], face[0] : face[2]], (40, 50), interpolation=cv2.INTER_AREA)
    hidden[480:530, 480:520] = small
    assert judged(hidden, *redactions).result is Result.FAIL


@pytest.mark.parametrize("style", list(Style))
def test_every_cell_is_fitted_however_little_of_it_is_seen(style: Style) -> None:
    """A large ellipse shows but a sliver of its corner cells; that is no remainder."""
    light = np.full((900, 1200, 3), 250, np.uint8)
    for aside in (0.0, 311.5, 700.3):
        region = Region(Box(aside - 200, 20 - aside / 9, 801, 777), Kind.FACE, ())
        hidden, redactions = redact(light, [region], Settings(style=style))
        check = judged(hidden, *redactions)
        assert check.result is Result.PASS, check.evidence


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("shape", [Shape.ELLIPSE, Shape.BOX])
@pytest.mark.parametrize("style", list(Style))
def test_every_style_and_shape_passes_as_written(
    portrait: Pixels, style: Style, shape: Shape, form: str, tmp_path: Path
) -> None:
    hidden, redactions = redact(portrait, [FACE], Settings(style=style, shape=shape))
    path = tmp_path / "written"
    write_photo(hidden, path, form, 95)
    sources = strength.brightness(portrait, redactions)
    check = strength.check(integrity.decoded(path.read_bytes()), redactions, [], BOUND, sources)
    assert check.result is Result.PASS, check.evidence


SCENES = {
    "noise": np.random.default_rng(3).integers(0, 256, (300, 400, 3), dtype=np.uint8),
    "saturated": np.random.default_rng(4).choice(np.uint8([0, 255]), (300, 400, 3)),
    "white": np.full((300, 400, 3), 255, np.uint8),
    "black": np.zeros((300, 400, 3), np.uint8),
    "stripes": np.tile(np.uint8([[[255, 0, 0]], [[0, 0, 255]]]), (150, 400, 1)),
}


@given_settings(max_examples=100)
@given(
    scene=st.sampled_from(sorted(SCENES)),
    box=st.tuples(st.floats(-40, 390), st.floats(-40, 290), st.floats(3, 300), st.floats(3, 300)),
    kind=st.sampled_from([Kind.FACE, Kind.FACE, Kind.TEXT, Kind.DRAWN]),
    style=st.sampled_from(Style),
    shape=st.sampled_from([Shape.ELLIPSE, Shape.BOX]),
    grid=st.integers(1, 4),
)
def test_no_honest_redaction_is_refused(
    scene: str, box: tuple[float, float, float, float], kind: Kind, style: Style, shape: Shape, grid: int
) -> None:
    region = Region(Box(*box), kind, ())
    hidden, redactions = redact(SCENES[scene], [region], Settings(style=style, shape=shape, grid=grid))
    check = compared(hidden, SCENES[scene], redactions)
    assert check.result is Result.PASS, (check.evidence, redactions)


@given_settings(max_examples=25)
@given(
    boxes=st.lists(
        st.tuples(st.floats(0, 300), st.floats(0, 200), st.floats(20, 150), st.floats(20, 150)),
        min_size=2,
        max_size=5,
    ),
    kinds=st.lists(st.sampled_from([Kind.FACE, Kind.TEXT]), min_size=5, max_size=5),
    style=st.sampled_from(Style),
    shape=st.sampled_from([Shape.ELLIPSE, Shape.BOX]),
)
def test_overlapping_honest_redactions_are_not_refused(
    boxes: list[tuple[float, float, float, float]], kinds: list[Kind], style: Style, shape: Shape
) -> None:
    regions = [Region(Box(*box), kind, ()) for box, kind in zip(boxes, kinds, strict=False)]
    hidden, redactions = redact(SCENES["noise"], regions, Settings(style=style, shape=shape))
    check = compared(hidden, SCENES["noise"], redactions)
    assert check.result is Result.PASS, (check.evidence, redactions)


@pytest.mark.parametrize("tall", [1.3, 1.9])
@pytest.mark.parametrize("turned", [False, True])
def test_the_rim_of_a_long_redaction_over_another_is_not_taken_for_detail(tall: float, turned: bool) -> None:
    """In a crowd: the soft rim is wider along an ellipse's longer axis, and blends what lies under it."""
    scene = np.full((700, 900, 3), 235, np.uint8)
    scene[:, 450:] = 20
    for step in range(6):
        box = Box(420 - 20 * step, 120 + 15 * step, 300 / tall, 300)
        later = Box(box.y + 150, box.x - 200, box.h, box.w) if turned else box
        faces = [Region(Box(250, 200, 210, 260), Kind.FACE, ()), Region(later, Kind.FACE, ())]
        hidden, redactions = redact(scene, faces, Settings(), bytes(32))
        check = compared(hidden, scene, redactions)
        assert check.result is Result.PASS, (check.evidence, check.data)


def test_a_tilted_label_is_measured_inside_its_corners() -> None:
    corners = ((50.0, 80.0), (250.0, 40.0), (260.0, 90.0), (60.0, 130.0))
    label = Region(Box(50, 40, 210, 90), Kind.TEXT, (), corners=corners)
    hidden, redactions = redact(SCENES["noise"], [label], Settings())
    assert redactions[0].shape is Shape.QUAD
    assert judged(hidden, *redactions).result is Result.PASS
    assert strength.check(SCENES["noise"], redactions, [], BOUND, [None]).result is Result.FAIL


def test_what_was_kept_clear_on_request_is_left_out_and_nothing_else(portrait: Pixels) -> None:
    hidden, redactions = redact(portrait, [FACE], Settings())
    mouth = Box(480, 240, 90, 50)
    restore(hidden, portrait, [mouth])
    pixels = reread(hidden)
    assert strength.check(pixels, redactions, [], BOUND, [None]).result is Result.FAIL
    assert (
        strength.check(pixels, redactions, [mouth.padded(8).pixels(1024, 1024)], BOUND, [None]).result
        is Result.PASS
    )
    restore(hidden, portrait, [Box(450, 140, 150, 60)])
    assert (
        strength.check(reread(hidden), redactions, [mouth.pixels(1024, 1024)], BOUND, [None]).result
        is Result.FAIL
    )


def test_a_clear_face_beside_a_later_ellipse_is_still_measured(portrait: Pixels) -> None:
    """What a later redaction is said to hide counts only where its outline lies, not in its box's corners."""
    left, top, right, bottom = claimed().box
    width, height = right - left, bottom - top
    # The face lies in the upper left corner of the later redaction's box, outside its ellipse.
    later = Region(Box(left, top, 8 * width, 8 * height), Kind.FACE, ())
    hidden, (redaction,) = redact(portrait, [later], Settings(margin=1.0))
    assert judged(hidden, redaction).result is Result.PASS
    assert judged(hidden, claimed(), redaction).result is Result.FAIL


@pytest.mark.parametrize("height", [8, 10, 12, 16, 24])
@pytest.mark.parametrize("style", [Style.BLUR, Style.PIXELATE])
def test_a_clear_face_of_a_few_pixels_fails(portrait: Pixels, style: Style, height: int) -> None:
    scale = height / FACE.box.h
    small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    box = Box(*(scale * value for value in (FACE.box.x, FACE.box.y, FACE.box.w, FACE.box.h)))
    hidden, redactions = redact(small, [Region(box, Kind.FACE, ())], Settings(style=style))
    assert judged(hidden, *redactions).result is Result.PASS
    assert judged(small, *redactions).result is Result.FAIL


def test_nothing_to_hide_passes(portrait: Pixels) -> None:
    assert judged(portrait).result is Result.PASS


@pytest.mark.parametrize("style", [Style.BLUR, Style.PIXELATE])
@pytest.mark.parametrize("contrast", [0.15, 0.5, 1.0])
def test_a_redaction_without_noise_fails(
    portrait: Pixels, style: Style, contrast: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the grid's bound, so the pixels alone pass; the source tells."""

    def plain(grid: NDArray[np.float32], *_: object) -> NDArray[np.float32]:
        middle = grid.mean(axis=(0, 1))
        return np.asarray(middle + contrast * (grid - middle), np.float32)

    honest, redactions = redact(portrait, [FACE], Settings(style=style))
    assert compared(honest, portrait, redactions).result is Result.PASS
    monkeypatch.setattr("anonymizer.redact.photo.bounded", plain)
    hidden, redactions = redact(portrait, [FACE], Settings(style=style))
    assert judged(hidden, *redactions).result is Result.PASS
    check = compared(hidden, portrait, redactions)
    assert check.result is Result.FAIL
    assert "noise is missing or too weak" in str(check.evidence) and "left 392" in str(check.evidence)


@pytest.mark.parametrize("style", [Style.BLUR, Style.PIXELATE])
def test_a_redaction_of_full_contrast_fails_in_spite_of_its_noise(
    portrait: Pixels, style: Style, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "anonymizer.redact.photo.noise", lambda *_: np.random.default_rng(4).normal(0, 0.015, (4, 4))
    )
    monkeypatch.setattr("anonymizer.redact.photo.DRAWN_NOISE", SAFE_NOISE)
    hidden, redactions = redact(portrait, [FACE], Settings(style=style))
    assert judged(hidden, *redactions).result is Result.PASS
    assert compared(hidden, portrait, redactions).result is Result.FAIL


@pytest.mark.parametrize("size", [(300, 400), (40, 52), (24, 30)])
def test_honest_noise_is_never_missed(portrait: Pixels, size: tuple[int, int]) -> None:
    """Sixty secrets; one in a million may fail."""
    scale = size[0] / 240
    small = np.asarray(cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    box = FACE.box.times(scale, scale)
    dark = np.asarray(small // 12, np.uint8)
    for picture in (small, dark, np.full_like(small, 255)):
        for secret in range(20):
            for style in (Style.BLUR, Style.PIXELATE):
                hidden, redactions = redact(
                    picture, [Region(box, Kind.FACE, ())], Settings(style=style), secret.to_bytes(32, "big")
                )
                sources = strength.brightness(picture, redactions)
                check = strength.check(hidden, redactions, [], BOUND, sources)
                assert check.result is Result.PASS, (check.evidence, check.data, secret)
