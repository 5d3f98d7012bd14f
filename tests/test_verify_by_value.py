"""The checks' parts by value, at their borders: outlines, remainders, thresholds, and what the second reader says."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anonymizer.core.confinement.apply import CANNOT_CONFINE
from anonymizer.core.errors import NotReadyError
from anonymizer.core.types import Kind, Redaction, Result, Shape, Style, Traces
from anonymizer.verify import canary, clip, outline, second_reader, strength
from anonymizer.verify.clip import ExpectedClip
from anonymizer.verify.second_reader import SecondReading
from anonymizer.verify.strength import Bound, Remainder, SourceAverages

BOUND = Bound(4, 800.0)


def redaction(
    box: tuple[int, int, int, int],
    shape: Shape = Shape.BOX,
    style: Style = Style.BLUR,
    grid: tuple[int, int] = (4, 4),
    corners: Sequence[tuple[float, float]] = (),
) -> Redaction:
    return Redaction(Kind.FACE, shape, style, box, grid, (), tuple(corners))


# Outlines


def lattice(places: Iterable[tuple[int, int]], side: int = 30) -> NDArray[np.bool_]:
    """A picture in which these (x, y) are marked."""
    marked = np.zeros((side, side), np.bool_)
    for x, y in places:
        marked[y, x] = True
    return marked


def inside(one: Redaction, edge: int = 0) -> NDArray[np.bool_]:
    lines = np.arange(30)
    return outline.inside(one, (0, 0, 30, 30) if one.shape is not Shape.BOX else one.box, lines, lines, edge)


def rectangle(left: int, top: int, right: int, bottom: int) -> NDArray[np.bool_]:
    return lattice((x, y) for x in range(left, right) for y in range(top, bottom))


def test_the_inside_of_a_box() -> None:
    assert np.array_equal(inside(redaction((5, 6, 15, 12))), rectangle(5, 6, 15, 12))
    assert np.array_equal(inside(redaction((5, 6, 15, 12)), edge=2), rectangle(7, 8, 13, 10))


def test_the_inside_of_an_ellipse() -> None:
    """One pixel less than inscribed; of one that is too narrow for that, its middle."""
    found = inside(redaction((4, 6, 24, 18), Shape.ELLIPSE))
    assert np.array_equal(
        found,
        lattice(
            (x, y) for x in range(30) for y in range(30) if ((x - 13.5) / 9) ** 2 + ((y - 11.5) / 5) ** 2 <= 1
        ),
    )
    assert np.array_equal(inside(redaction((4, 6, 6, 11), Shape.ELLIPSE)), lattice([(4, 8), (5, 8)]))


def test_the_inside_of_a_quadrilateral() -> None:
    corners = [(10.0, 12.0), (20.0, 12.0), (20.0, 16.0), (10.0, 16.0)]
    assert np.array_equal(
        inside(redaction((5, 5, 25, 25), Shape.QUAD, corners=corners)), rectangle(10, 12, 21, 17)
    )
    # Corners make no quadrilateral of a box, and fewer than four of them none at all.
    assert np.array_equal(inside(redaction((5, 5, 25, 25), corners=corners)), rectangle(5, 5, 25, 25))
    assert inside(redaction((0, 0, 30, 30), Shape.QUAD, corners=corners[:3])).all()


def test_what_a_redaction_may_have_changed() -> None:
    lines = np.arange(30)
    box = outline.touched(redaction((5, 6, 15, 12)), lines, lines, 1)
    assert np.array_equal(box, rectangle(2, 3, 18, 15))
    # Half axes 5 and 4, a soft rim of one pixel at the shorter, two more for what JPEG spreads.
    ellipse = outline.touched(redaction((10, 10, 20, 18), Shape.ELLIPSE), lines, lines, 0)
    a, b = 5 * 1.25 + 2, 4 * 1.25 + 2
    assert np.array_equal(
        ellipse,
        lattice(
            (x, y) for x in range(30) for y in range(30) if ((x - 14.5) / a) ** 2 + ((y - 13.5) / b) ** 2 <= 1
        ),
    )


# Strength


NOTHING = np.zeros((100, 100, 3), np.uint8)


@pytest.mark.parametrize(
    ("side", "left_over", "passes"),
    [
        (50, Remainder(strength.RMS, strength.PEAK, strength.TILE_RMS, 2500), True),
        (50, Remainder(strength.RMS + 0.01, 0, 0, 2500), False),
        (50, Remainder(0, strength.PEAK + 0.01, 0, 2500), False),
        (50, Remainder(0, 0, strength.TILE_RMS + 0.01, 2500), False),
        # Small by its side, by what is seen of it, by neither.
        (strength.SMALL - 1, Remainder(strength.SMALL_RMS, 0, 0, 2500), True),
        (strength.SMALL - 1, Remainder(strength.SMALL_RMS + 0.01, 0, 0, 2500), False),
        (50, Remainder(strength.SMALL_RMS, 0, 0, strength.SMALL * 60 - 1), True),
        (50, Remainder(strength.SMALL_RMS + 0.01, 0, 0, strength.SMALL * 60 - 1), False),
        (strength.SMALL, Remainder(strength.SMALL_RMS, 0, 0, strength.SMALL * 60), False),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_where_the_bounds_of_a_remainder_lie(
    side: int, left_over: Remainder, passes: bool, turned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strength, "remainder", lambda *_: left_over)
    box = (10, 20, 10 + 60, 20 + side) if turned else (10, 20, 10 + side, 20 + 60)
    check = strength.check(NOTHING, [redaction(box)], [], BOUND, [None])
    assert check.result is (Result.PASS if passes else Result.FAIL)
    assert check.evidence.code == ("check.strength.passed" if passes else "check.strength.failed")


@pytest.mark.parametrize(
    ("style", "grid", "code"),
    [
        (Style.BLUR, (4, 4), "check.strength.passed"),
        (Style.BLUR, (5, 4), "check.strength.detail"),
        (Style.BLUR, (4, 5), "check.strength.detail"),
        (Style.FILL, (5, 5), "check.strength.passed"),
    ],
)
def test_a_finer_grid_is_refused_unless_it_is_filled(style: Style, grid: tuple[int, int], code: str) -> None:
    check = strength.check(NOTHING, [redaction((10, 20, 70, 80), style=style, grid=grid)], [], BOUND, [None])
    assert check.evidence.code == code


def test_what_is_not_in_the_picture_is_not_measured() -> None:
    outside = redaction((200, 0, 260, 60))
    check = strength.check(NOTHING, [outside, redaction((10, 20, 70, 80))], [], BOUND, [None, None])
    assert (check.result, check.data) == (Result.PASS, {"regions": 2, "measured": 1, "rms": 0.0})
    nothing = strength.check(NOTHING, [], [], BOUND, [])
    assert (nothing.result, nothing.evidence.code) == (Result.PASS, "check.nothing-hidden")


@pytest.mark.parametrize(
    ("told", "style", "bounded", "passes"),
    [
        (None, Style.BLUR, False, True),
        (strength._Told(0, 0, 1, 0), Style.BLUR, True, True),
        (strength._Told(0, 0, 1, 0), Style.BLUR, False, False),
        (strength._Told(0, 0, 1, 0), Style.FILL, False, True),
    ],
)
def test_noise_is_asked_for_where_it_can_be_judged(
    told: strength._Told | None, style: Style, bounded: bool, passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strength, "_told", lambda *_: told)
    monkeypatch.setattr(strength, "_bounded", lambda *_: bounded)
    source = SourceAverages(np.zeros((4, 4), np.float32))
    check = strength.check(NOTHING, [redaction((10, 20, 70, 80), style=style)], [], BOUND, [source])
    assert check.evidence.code == ("check.strength.passed" if passes else "check.strength.noise")
    assert strength.check(NOTHING, [redaction((10, 20, 70, 80))], [], BOUND, [None]).result is Result.PASS


@pytest.mark.parametrize(
    "box",
    [(-10, 0, 0, 10), (0, -10, 10, 0), (100, 0, 110, 10), (0, 100, 10, 110), (-20, 0, -10, 10), (0, -20, 10, -10)],
)  # fmt: skip
@pytest.mark.parametrize("shape", [Shape.BOX, Shape.QUAD])
def test_nothing_is_known_of_a_place_beside_the_picture(box: tuple[int, int, int, int], shape: Shape) -> None:
    corners = [(box[0], box[1]), (box[2], box[1]), (box[2], box[3]), (box[0], box[3])]
    beside = redaction(box, shape, corners=corners)
    assert strength.brightness(NOTHING, [beside]) == [None]
    assert strength.remainder(NOTHING, beside, [], []) is None
    assert strength._told(NOTHING, beside, np.zeros((4, 4), np.float32), [], [], 0) is None


def test_the_brightness_of_a_place() -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[:20, 20:] = (100, 200, 50)
    (found,) = strength.brightness(picture, [redaction((0, -40, 80, 40), grid=(2, 2))])
    assert found and np.allclose(
        found.averages, [[0, 0.299 * 100 + 0.587 * 200 + 0.114 * 50], [0, 0]], atol=0.01
    )
    assert strength.brightness(picture, [redaction((0, 0, 40, 40), style=Style.FILL)]) == [None]


def drawn(grid: NDArray[np.float64], side: int = 40) -> NDArray[np.uint8]:
    """A mosaic of these averages, one channel."""
    cells = np.kron(grid, np.ones((side // grid.shape[0], side // grid.shape[1])))
    return np.asarray(cells[:, :, None], np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_the_drawn_averages_tell(channels: int) -> None:
    """Half of the source's contrast, and noise on two averages."""
    source = np.array([[40.0, 80, 120, 160], [160, 120, 80, 40], [40, 80, 120, 160], [160, 120, 80, 40]])
    values = 60 + source / 2
    values[0, 0] += 16
    values[3, 3] -= 16
    pixels = np.repeat(drawn(values), channels, axis=2)
    one = redaction((0, 0, 40, 40), style=Style.PIXELATE)
    told = strength._told(pixels, one, source.astype(np.float32), [], [], 0)
    assert told and told.degrees == 14 and told.spread == pytest.approx(source.std(), abs=1e-3)
    centred = source - source.mean()
    slope = float((values * centred).sum() / (centred**2).sum())
    beside = values - values.mean() - slope * centred
    assert told.slope == pytest.approx(slope, abs=0.01)
    assert told.noise == pytest.approx(np.sqrt((beside**2).sum() / 14), abs=0.05)


@pytest.mark.parametrize(
    ("grid", "known"), [((2, 3), True), ((3, 2), True), ((1, 5), False), ((5, 1), False)]
)
def test_six_averages_are_enough_to_judge(grid: tuple[int, int], known: bool) -> None:
    one = redaction((0, 0, 30, 30), style=Style.PIXELATE, grid=grid)
    source = np.arange(grid[0] * grid[1], dtype=np.float32).reshape(grid[1], grid[0])
    told = strength._told(np.zeros((30, 30, 1), np.uint8), one, source, [], [], 0)
    assert (told is not None) is known


def test_averages_that_are_hardly_seen_are_not_judged() -> None:
    """Of 16, those under what was kept: one row is left of four, too few; with two rows there are enough."""
    one = redaction((0, 0, 40, 40), style=Style.PIXELATE)
    source = np.arange(16, dtype=np.float32).reshape(4, 4) * 10
    pixels = drawn(source.astype(np.float64))
    assert strength._told(pixels, one, source, [], [(0, 10, 40, 40)], 0) is None
    told = strength._told(pixels, one, source, [], [(0, 20, 40, 40)], 0)
    assert told and told.degrees == 6


@pytest.mark.parametrize(("spread", "slope", "degrees"), [(2.0, 0.0, 15), (2.5, 1.0, 14)])
def test_a_flat_source_has_no_features_to_tell(spread: float, slope: float, degrees: int) -> None:
    source = np.where(np.indices((4, 4)).sum(axis=0) % 2, 100 + spread, 100 - spread)
    one = redaction((0, 0, 40, 40), style=Style.PIXELATE)
    pixels = np.asarray(np.kron(source, np.ones((10, 10)))[:, :, None], np.float32)
    told = strength._told(pixels, one, source.astype(np.float32), [], [], 0)  # type: ignore[arg-type]
    assert told and told.spread == spread and told.degrees == degrees
    assert told.slope == pytest.approx(slope, abs=0.001)


@pytest.mark.parametrize(
    ("noise", "slope", "spread", "passes"),
    [
        (12.0, 0.0, 40.0, True),
        (2.0, 0.0, 40.0, False),
        (12.0, 0.15, 40.0, True),
        (12.0, 0.9, 40.0, False),
        # Where the source is all but flat its slope is not known so well.
        (12.0, 0.9, 2.5, True),
    ],
)
def test_what_is_measured_of_noise_and_slope(noise: float, slope: float, spread: float, passes: bool) -> None:
    assert strength._bounded(strength._Told(slope, noise, 14, spread), BOUND, 1.0) is passes
    # The same in an output that shows half of the steps.
    assert strength._bounded(strength._Told(slope / 2, noise / 2, 14, spread), BOUND, 0.5) is passes


def test_without_noise_none_is_asked_for_and_nothing_is_compressed() -> None:
    assert strength._bounded(strength._Told(1.0, 0.0, 14, 40.0), Bound(4, 0.0), 1.0)
    assert not strength._bounded(strength._Told(1.1, 0.0, 14, 40.0), Bound(4, 0.0), 1.0)


def test_a_region_of_as_many_pixels_as_averages_is_its_own_bound() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    assert strength.remainder(noise, redaction((5, 5, 9, 9)), [], []) == Remainder(0.0, 0.0, 0.0, 1)
    left_over = strength.remainder(noise, redaction((5, 5, 10, 9)), [], [])
    assert left_over and left_over.count == 20 and left_over.rms > 1


def test_which_pixels_of_a_redaction_are_looked_at() -> None:
    """All but those that were kept and those that a later redaction may have changed."""
    one, later = redaction((0, 0, 30, 30)), redaction((24, 24, 30, 30))
    seen = strength._seen_part(np.zeros((30, 30, 3), np.uint8), one, [later], [(8, 10, 14, 20)], 0)
    assert seen
    assert np.array_equal(seen[1], ~rectangle(8, 10, 14, 20) & ~rectangle(22, 22, 30, 30))
    assert strength._seen_part(np.zeros((30, 30, 3), np.uint8), one, [], [(0, 0, 30, 30)], 0) is None


@pytest.mark.parametrize("grid", [(1, 4), (4, 1), (4, 4), (1, 1)])
def test_a_drawing_of_averages_leaves_nothing_unexplained(grid: tuple[int, int]) -> None:
    values = np.arange(grid[0] * grid[1], dtype=np.float64).reshape(grid[1], grid[0]) * 15 + 7
    pixels = np.repeat(drawn(values), 3, axis=2)
    left_over = strength.remainder(pixels, redaction((0, 0, 40, 40), style=Style.PIXELATE, grid=grid), [], [])
    assert left_over and left_over.rms < 0.01 and left_over.tile < 0.01 and left_over.count == 1600
    if grid != (1, 1):
        smooth = strength.remainder(pixels, redaction((0, 0, 40, 40), style=Style.BLUR, grid=grid), [], [])
        assert smooth and smooth.rms > 0.5, "drawn smoothly these averages would look otherwise"


@pytest.mark.parametrize(
    ("size", "within", "worst"),
    [
        ((16, 16), np.s_[:, :], 2.0),
        ((15, 16), np.s_[:, :], 0.0),
        ((16, 15), np.s_[:, :], 0.0),
        ((8, 64), np.s_[:, :], 0.0),
        ((64, 8), np.s_[:, :], 0.0),
        # Exactly half of a tile lies inside, then less.
        ((16, 16), np.s_[:, :8], 2.0),
        ((16, 16), np.s_[:, :7], 0.0),
        ((40, 40), np.s_[20:30, 20:30], 0.0),
    ],
)
def test_the_worst_tile(size: tuple[int, int], within: Any, worst: float) -> None:
    inside = np.zeros(size, np.bool_)
    inside[within] = True
    squares = np.where(inside, np.float32(4), np.float32(0))
    assert strength._worst_tile(squares, inside, *size) == pytest.approx(worst, abs=1e-5)


# Canaries


def test_a_string_as_short_as_may_be_and_the_last_letter_of_latin_1() -> None:
    assert canary.hits(b"-Anna5-", ["Anna5"]) == 1
    assert canary.hits(b"Anna", ["Anna"]) == 0
    assert "ÿÿÿÿÿ".encode("latin-1") in canary.spellings("ÿÿÿÿÿ")
    assert len(canary.spellings("ĀĀĀĀĀ")) == 3, "no such letter in Latin-1"
    assert canary.found(b"Anna", {b"Anna"}) == 1, "four bytes of data may hold four"
    assert canary.found(b"Anna", set()) == 0 and canary.found(b"Ann", {b"Anna"}) == 0


def test_the_canary_check_counts() -> None:
    found = canary.check("canaries", b"Annalena and Mustermann", ["Annalena", "Mustermann", "Somebody"])
    assert (found.result, found.evidence.code) == (Result.FAIL, "check.canaries.found")
    assert found.data == {"strings": 3, "found": 2}
    none = canary.check("canaries", b"nobody", ["Annalena"])
    assert (none.result, none.evidence.code) == (Result.PASS, "check.canaries.passed")
    assert none.data == {"strings": 1, "found": 0}


# The second reader


SAID = """\
Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'fd:':
  Metadata:
    major_brand     : isom
    comment         : who made it
  Duration: 01:02:03.50, start: 0.000000, bitrate: 900 kb/s
  Stream #0:0[0x1](und): Video: h264 (High), yuv420p, 160x96, 25 fps
      Metadata:
        handler_name    : VideoHandler
      Side data:
        displaymatrix: rotation of -90.00 degrees
  Stream #0:1[0x2](und): Audio: aac (LC), 48000 Hz, stereo
Stream mapping:
  Stream #0:0 -> #0:0 (h264 (native) -> rawvideo (native))
Output #0, rawvideo, to 'pipe:':
  Stream #0:0: Video: rawvideo (I420)
    encoder         : Lavf
"""


def test_what_the_second_reader_says_of_its_input() -> None:
    read = SecondReading()
    second_reader._understand(SAID, read)
    assert (read.kinds, read.codecs) == (["Video", "Audio"], ["h264", "aac"])
    assert read.seconds == 3723.5
    assert read.keys == {"major_brand", "comment", "handler_name", "displaymatrix"}


def test_of_what_it_says_so_much_is_kept() -> None:
    said: list[bytes] = []
    second_reader._listen(io.BytesIO(b"x" * 100_000), said)
    assert sum(map(len, said)) == second_reader.MOST


def reading(
    monkeypatch: pytest.MonkeyPatch, program: str, wanted: Sequence[int] = ()
) -> tuple[list[tuple[int, second_reader.Planes]], SecondReading]:
    """What is read where the second reader is this Python program."""

    def launch(_: list[str], *, stdin: Any, seconds: float, stderr: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", "import sys; out = sys.stdout.buffer\n" + program],
            stdin=stdin, stdout=subprocess.PIPE, stderr=stderr,
        )  # fmt: skip

    monkeypatch.setattr(second_reader, "launch", launch)
    read = SecondReading()
    return list(second_reader.sampled(Path(__file__), wanted, (4, 2), read)), read


def test_the_wanted_frames_come_in_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    found, read = reading(
        monkeypatch, "for n in range(5): out.write(bytes([n] * 8 + [10 + n] * 2 + [20 + n] * 2))", (1, 3)
    )
    assert [number for number, _ in found] == [1, 3] and read.frames == 5 and read.complete
    y, u, v = found[1][1]
    assert (y.shape, u.shape, v.shape) == ((2, 4), (1, 2), (1, 2))
    assert (y == 3).all() and (u == 13).all() and (v == 23).all()


def test_a_reader_that_ends_with_an_error_is_not_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    _, read = reading(monkeypatch, "out.write(bytes(12)); out.flush(); sys.exit(1)")
    assert (read.frames, read.complete) == (1, False)


def test_a_reader_that_cannot_be_confined_is_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotReadyError) as raised:
        reading(monkeypatch, f"sys.exit({CANNOT_CONFINE})")
    assert raised.value.message.code == "check.reader-unconfined"


# A clip's checks


@pytest.mark.parametrize(
    ("read", "sound", "code"),
    [
        (SecondReading(3, ["Video"], complete=True), False, "check.reader-passed"),
        (SecondReading(3, ["Audio", "Video"], complete=True), True, "check.reader-passed-sound"),
        (SecondReading(3, ["Video"]), False, "check.reader-decodes"),
        (SecondReading(2, ["Video"], complete=True), False, "check.reader-decodes"),
        (SecondReading(4, ["Video"], complete=True), False, "check.reader-decodes"),
        (SecondReading(3, ["Video", "Audio"], complete=True), False, "check.reader-tracks"),
        (SecondReading(3, ["Video"], complete=True), True, "check.reader-tracks"),
        (SecondReading(3, [], complete=True), False, "check.reader-tracks"),
        (SecondReading(3, ["Video"], keys={"major_brand"}, complete=True), False, "check.reader-passed"),
        (SecondReading(3, ["Video"], keys={"major_brand", "title"}, complete=True), False, "check.reader-metadata"),
    ],
)  # fmt: skip
def test_what_is_made_of_the_second_reader(read: SecondReading, sound: bool, code: str) -> None:
    check = clip._second_reader(read, 3, sound)
    assert check.evidence.code == code
    assert (check.result is Result.PASS) is code.startswith("check.reader-passed")


def expected(strings: Iterable[str] = (), sha256: str = "0" * 64) -> ExpectedClip:
    times = np.arange(3, dtype=np.int64)
    return ExpectedClip(
        (24, 16), times, times, Fraction(1), sha256, Traces((), frozenset(strings)), True, False
    )


def test_what_is_no_mp4_fails_in_a_sentence(tmp_path: Path) -> None:
    """And its strings are looked for all the same; neither times nor frames are asked for."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no MP4 of Anna Mustermann")
    checks = {check.name: check for check in clip.examine(path, expected(["Mustermann"]), SecondReading())}
    assert checks["structure"].evidence.code == "check.structure.failed"
    assert checks["canaries"].result is Result.FAIL and checks["canaries"].data["found"] == 1
    assert checks["integrity"].result is Result.PASS
    assert not {"timing", "second-reader"} & set(checks)
    again = {check.name for check in clip.audit(path)}
    assert again == {"structure", "name-and-times", "second-opinion"}


def test_a_clip_that_is_its_source_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"a clip")
    same = expected(sha256=hashlib.sha256(b"a clip").hexdigest())
    checks = {check.name: check for check in clip.examine(path, same, SecondReading())}
    assert checks["integrity"].evidence.code == "check.clip-is-source"
