"""The noise follows from the secret and the place's look: repeats do not add up, and nobody else can draw it."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from anonymizer.core import noise_secret
from anonymizer.core.errors import NotReadyError, UsageError
from anonymizer.core.pixels import averages
from anonymizer.core.settings import Settings
from anonymizer.core.types import Box, Kind, Pixels, Region, Style
from anonymizer.redact.noise import REACH, look, noise
from anonymizer.redact.photo import BRIGHTNESS, bounded, redact, redaction_box

Floats = NDArray[np.float32]
SECRET, OTHER = bytes(range(32)), bytes(range(1, 33))
FACE = Box(430, 90, 190, 240)
"""Where the portrait's face is."""
PINNED = [-1.20402, -0.10722, -1.14842]


def noise_of(picture: Pixels, box: Box, secret: bytes = SECRET) -> Floats:
    """The noise that a face at this place of a picture gets."""
    left, top, right, bottom = redaction_box(Region(box, Kind.FACE, ()), Settings())
    grid = averages(picture[top:bottom, left:right], (5, 5)) @ BRIGHTNESS
    return noise(secret, look(grid), 4, 4).ravel()


def alike(one: Floats, other: Floats) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def encoded(picture: Pixels, quality: int) -> Pixels:
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def test_the_same_picture_gets_the_same_redaction_to_the_bit(portrait: Pixels) -> None:
    for style in (Style.BLUR, Style.PIXELATE):
        face = [Region(FACE, Kind.FACE, ())]
        one, _ = redact(portrait, face, Settings(style=style), SECRET)
        two, _ = redact(portrait, face, Settings(style=style), SECRET)
        other, _ = redact(portrait, face, Settings(style=style), OTHER)
        assert np.array_equal(one, two)
        assert not np.array_equal(one, other)


def test_an_encoded_a_smaller_and_a_cropped_copy_get_nearly_the_same_noise(portrait: Pixels) -> None:
    original = noise_of(portrait, FACE)
    assert alike(original, noise_of(encoded(portrait, 60), FACE)) > 0.98
    half = cv2.resize(portrait, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert alike(original, noise_of(np.asarray(half, np.uint8), FACE.times(0.5, 0.5))) > 0.95
    cropped = Box(FACE.x - 100, FACE.y - 40, FACE.w, FACE.h)
    assert alike(original, noise_of(portrait[40:, 100:], cropped)) > 0.999
    brighter = cv2.convertScaleAbs(portrait, alpha=0.9, beta=10)
    assert alike(original, noise_of(np.asarray(brighter, np.uint8), FACE)) > 0.95


def test_a_box_that_is_found_a_little_elsewhere_changes_little(portrait: Pixels) -> None:
    """What a detector does on a copy that was cropped or made smaller: 2 % of the face's width aside."""
    original = noise_of(portrait, FACE)
    for across, down, grown in ((4, 0, 1.0), (0, -4, 1.0), (-3, 3, 1.02), (0, 0, 0.98)):
        aside = Box(FACE.x + across, FACE.y + down, FACE.w, FACE.h).scaled(grown)
        assert alike(original, noise_of(portrait, aside)) > 0.9


def test_another_secret_gives_other_noise(portrait: Pixels) -> None:
    """Sixteen numbers of each: single correlations scatter by a quarter, their mean over forty does not."""
    pairs = [(bytes([number]) * 32, bytes([number]) * 31 + bytes([number ^ 1])) for number in range(40)]
    found = [alike(noise_of(portrait, FACE, one), noise_of(portrait, FACE, other)) for one, other in pairs]
    assert abs(np.mean(found)) < 0.15


def test_looks_have_as_much_noise_in_common_as_they_are_near() -> None:
    rng = np.random.default_rng(8)
    for distance in (0.5, 1.0, 2.0, 4.0, 6.0):
        found = []
        for number in range(60):
            one, step = rng.normal(size=(2, 25))
            other = one + distance * step / np.linalg.norm(step)
            secret = bytes([number]) * 32
            found.append(alike(noise(secret, one, 4, 4).ravel(), noise(secret, other, 4, 4).ravel()))
        assert np.mean(found) == pytest.approx(np.exp(-((distance / REACH) ** 2) / 2), abs=0.12)


def test_the_noise_of_one_place_is_independent_and_of_the_size_that_is_asked_for(portrait: Pixels) -> None:
    drawn = np.array(
        [noise_of(portrait, FACE, bytes([number // 256, number % 256]) * 16) for number in range(400)]
    )
    assert np.abs(drawn.mean(axis=0)).max() < 0.25
    assert np.abs(drawn.std(axis=0) - 1).max() < 0.2
    correlations = np.corrcoef(drawn.T) - np.eye(16)
    assert np.abs(correlations).max() < 0.25
    assert abs((drawn**4).mean() - 3) < 0.4, "as a normal distribution has it"


def test_the_mean_of_many_outputs_keeps_the_noise(portrait: Pixels) -> None:
    """With noise fresh for each output ten of them would leave a third of it."""
    rng = np.random.default_rng(3)
    kept = []
    for secret in (bytes([number]) * 32 for number in range(8)):
        copies = []
        for _ in range(10):
            scale = float(rng.uniform(0.5, 1))
            small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            shift = rng.uniform(-4, 4, 2)
            box = Box(FACE.x + shift[0], FACE.y + shift[1], FACE.w, FACE.h).times(scale, scale)
            copies.append(
                noise_of(encoded(np.asarray(small, np.uint8), int(rng.integers(60, 96))), box, secret)
            )
        kept.append(np.std(np.mean(copies, axis=0)) / np.mean([np.std(copy) for copy in copies]))
    assert np.mean(kept) > 0.9


def test_values_are_the_same_on_every_machine() -> None:
    seen = look(np.arange(16, dtype=np.float64).reshape(4, 4) * 10)
    assert noise(SECRET, seen, 1, 3).ravel().tolist() == pytest.approx(PINNED, abs=1e-4)


@pytest.mark.parametrize("style", [Style.BLUR, Style.PIXELATE])
def test_a_grey_picture_stays_grey(portrait: Pixels, style: Style) -> None:
    grey = cv2.cvtColor(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    out, _ = redact(np.asarray(grey, np.uint8), [Region(FACE, Kind.FACE, ())], Settings(style=style), SECRET)
    assert not np.array_equal(out, grey)
    assert np.ptp(out, axis=2).max() == 0


def test_a_redaction_has_one_hue_and_its_noise_is_not_cut_off() -> None:
    for colour in ((0, 0, 0), (255, 255, 255), (255, 0, 0), (20, 60, 250), (180, 140, 120)):
        flat = np.tile(np.array(colour, np.float32), (4, 4, 1))
        grid = bounded(flat, flat, 80.0, SECRET)
        light = grid @ BRIGHTNESS
        hues = (grid - light[:, :, None]).reshape(-1, 3)
        assert np.ptp(hues, axis=0).max() < 1e-3
        assert light.std() > 6 and grid.min() > -1e-3 and grid.max() < 255.001


def test_the_contrast_of_the_place_is_lowered_as_far_as_the_noise() -> None:
    """Means of many secrets: what is left of the place is 12 / 80 of it."""
    cells = np.random.default_rng(1).uniform(60, 190, (4, 4, 1)).astype(np.float32).repeat(3, 2)
    made = [bounded(cells, cells, 80.0, number.to_bytes(32, "big"))[:, :, 0] for number in range(600)]
    mean, there = np.mean(made, axis=0), cells[:, :, 0]
    slope = np.polyfit(there.ravel(), mean.ravel(), 1)[0]
    assert slope == pytest.approx(0.15, abs=0.03)
    assert np.std(made, axis=0).mean() == pytest.approx(12, rel=0.1)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the secret of this test is to be made."""
    monkeypatch.delenv(noise_secret.VARIABLE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return noise_secret.secret_path()


def test_the_secret_is_made_once_and_for_its_owner_alone(path: Path) -> None:
    secret = noise_secret.own_secret()
    assert len(secret) == 32 and noise_secret.own_secret() == secret
    assert [one.name for one in path.parent.iterdir()] == [noise_secret.FILE]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def _made(_: int) -> bytes:
    return noise_secret.own_secret()


def test_many_processes_make_one_secret(path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        assert len(set(pool.map(_made, range(12)))) == 1
    assert [one.name for one in path.parent.iterdir()] == [noise_secret.FILE]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_secret_that_others_can_read_is_refused(path: Path) -> None:
    noise_secret.own_secret()
    path.chmod(0o640)
    with pytest.raises(NotReadyError, match="chmod 600"):
        noise_secret.own_secret()


@pytest.mark.parametrize("content", [b"", b"no secret", b"00" * 31, b"00" * 33, b"\xff" * 64])
def test_what_is_no_secret_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(NotReadyError, match="restore it"):
        noise_secret.own_secret()
    assert path.read_bytes() == content


def test_the_secret_never_lies_in_the_output_folder(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(noise_secret.VARIABLE, str(tmp_path / "out" / "secret"))
    with pytest.raises(UsageError, match="lies in the output folder"):
        noise_secret.own_secret(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_in_its_place_is_one_sentence(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(NotReadyError, match="is a folder"):
        noise_secret.own_secret()
