"""Speech in a clip's sound: found, silenced, and all other sound kept."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from anonymizer.core.types import Model
from anonymizer.detect import speech
from anonymizer.detect.speech import FRAME, MARGIN, RATE, Span, SpeechFinder, spans
from anonymizer.road.clip.speech import Silencer, to_listen
from clips import make_clip, numbered
from conftest import FAST, Ran, sentences

SECOND = RATE / FRAME
"""Frames in a second."""


def likelihoods(*parts: tuple[float, float]) -> list[float]:
    """``(seconds, probability)`` one after the other."""
    return [value for seconds, value in parts for _ in range(round(seconds * SECOND))]


def test_a_span_begins_where_speech_is_sure_and_ends_where_it_is_unlikely() -> None:
    heard = likelihoods((1.024, 0.0), (0.512, 0.9), (0.512, 0.2), (2.048, 0.1))
    ((begin, end),) = spans(heard, 4.1)
    assert (begin, end) == pytest.approx((1.024 - MARGIN, 2.048 + MARGIN))


def test_what_is_never_sure_or_as_short_as_a_click_is_no_speech() -> None:
    assert spans(likelihoods((1, 0.0), (1, 0.25), (1, 0.0)), 3) == []
    assert spans([0.0] * 20 + [0.9] * 2 + [0.0] * 20, 42 / SECOND) == []
    assert len(spans([0.0] * 20 + [0.9] * 3 + [0.0] * 20, 43 / SECOND)) == 1


def test_speech_with_a_short_pause_is_one_span_and_none_goes_beyond_the_sound() -> None:
    heard = likelihoods((0.512, 0.9), (0.704, 0.0), (0.512, 0.9))
    assert spans(heard, 1.728) == [(0.0, 1.728)]
    apart = likelihoods((0.512, 0.9), (1.024, 0.0), (0.512, 0.9))
    assert len(spans(apart, 2.048)) == 2


def test_silence_is_where_it_is_asked_for_and_nowhere_else() -> None:
    """Block by block as in one, and without a click at its edges."""
    sound = np.full((4800, 2), 10_000, np.int16)
    whole = Silencer([(0.03, 0.05), (0.08, 0.2)], 48_000).one(sound)
    silencer = Silencer([(0.03, 0.05), (0.08, 0.2)], 48_000)
    assert np.array_equal(np.concatenate(list(silencer.all(iter(np.array_split(sound, 7))))), whole)
    assert not whole[1440:2401].any() and not whole[3840:].any()
    assert (whole[:1200] == 10_000).all() and (whole[2641:3600] == 10_000).all()
    assert abs(np.diff(whole[:, 0].astype(int))).max() < 100


def test_a_person_is_told_what_is_left_to_be_listened_to() -> None:
    assert "0.0–1.5, 3.0–8.0 s" in str(to_listen([(1.5, 3.0)], 8.0))
    assert "0.0–8.0 s" in str(to_listen([], 8.0)) and "No speech" in str(to_listen([], 8.0))
    assert "throughout" in str(to_listen([(0.0, 8.0)], 8.0))
    many = [(float(2 * n + 1), float(2 * n + 2)) for n in range(30)]
    assert str(to_listen(many, 62.0)).endswith(", … s.")


@pytest.fixture(scope="module")
def finder() -> SpeechFinder:
    return SpeechFinder()


def blocks(sound: NDArray[np.float64]) -> Iterable[NDArray[np.int16]]:
    stereo = np.column_stack([sound, sound])
    return np.array_split((stereo * 32_767).clip(-32_768, 32_767).astype(np.int16), 5)


def test_clinical_sounds_are_left(finder: SpeechFinder) -> None:
    """Coughs, breath, a heart, a monitor, clicks, a drill: made from noise and tones."""
    rng, at = np.random.default_rng(1), np.arange(2 * RATE) / RATE
    burst = np.minimum(at / 0.005, 1) * np.exp(-(at % 0.4) / 0.08)
    for sound in (
        0.1 * rng.standard_normal(len(at)),
        0.5 * rng.standard_normal(len(at)) * burst,
        0.7 * np.sin(2 * np.pi * 50 * at) * np.exp(-(at % 0.8) / 0.05),
        0.3 * np.sin(2 * np.pi * 880 * at) * (at % 0.5 < 0.1),
        np.where(np.arange(len(at)) % 4000 < 30, 0.8, 0) * rng.standard_normal(len(at)),
        0.3 * (at * 300 % 1 - 0.5),
    ):
        assert finder.find(blocks(sound)) == []


def spoken(text: str, voice: str) -> NDArray[np.float64]:
    """A sentence as Debian's espeak-ng says it, at 16 kHz."""
    said = subprocess.run(
        ["espeak-ng", "-v", voice, "--stdout", text], capture_output=True, check=True
    ).stdout
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(io.BytesIO(said)) as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate([part.to_ndarray().ravel() for part in frames]) / 32_768


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="needs espeak-ng, of the distribution")
@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0], ids=["quiet", "6 dB", "0 dB"])
def test_speech_is_found_under_noise(finder: SpeechFinder, noise: float) -> None:
    """In French and English; ``noise`` is its loudness beside the speech's. In one ear, or opposite, as well."""
    rng = np.random.default_rng(2)
    for text, voice in (("Ouvrez la bouche, Madame Lefèvre.", "fr"), ("Mister Smith, turn your head.", "en")):
        said = spoken(text, voice)
        said = 0.1 * said / said.std()
        sound = np.concatenate([np.zeros(RATE), said, np.zeros(RATE)])
        sound += 0.1 * noise * rng.standard_normal(len(sound))
        one_ear = np.column_stack([0.1 * noise * rng.standard_normal(len(sound)), sound])
        opposite = np.column_stack([sound, -sound])
        for heard in (np.column_stack([sound, sound]), one_ear, opposite):
            found = finder.find([(heard * 32_767).clip(-32_768, 32_767).astype(np.int16)])
            begin, end = found[0][0], found[-1][1]
            assert begin <= 1.05 and end >= 1 + len(said) / RATE - 0.2, (text, found)


class Listener:
    """Stands for the network: hears somebody from 0.4 to 0.8 s as long as anything is heard there."""

    def __init__(self) -> None:
        self.asked: list[bool] = []

    def models(self) -> list[Model]:
        return [Model("silero-vad", "0" * 64, "MIT", "CPU")]

    def find(self, sound: Iterable[NDArray[np.int16]]) -> list[Span]:
        heard = np.concatenate(list(sound))[:, 0]
        loud = bool(np.abs(heard[int(0.45 * RATE) : int(0.75 * RATE)].astype(int)).max(initial=0) > 200)
        self.asked.append(loud)
        return [(0.4, 0.8)] if loud else []


def test_the_road_silences_speech_and_keeps_the_rest(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener()
    monkeypatch.setattr("anonymizer.road.clip.process.SpeechFinder", lambda: listener)
    source = make_clip(tmp_path / "a.mp4", numbered(40), sound=1.6)
    out = tmp_path / "out"
    ran = run("blur", source, "--out", out, "--audio", "mute-speech", *FAST)
    assert ran.code == 3, ran.err
    (path,) = (out / "review").glob("*.mp4")
    with av.open(str(path)) as container:
        parts = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    heard = np.concatenate(parts)
    assert abs(heard[int(0.42 * 48_000) : int(0.78 * 48_000)]).max() < 0.003
    for begin in (0.1, 0.3, 0.85, 1.2):
        assert abs(heard[int(begin * 48_000) :][:2400]).max() > 0.05
    (report,) = (out / "reports").glob("*.json")
    told = json.loads(report.read_text())
    assert listener.asked == [True, False, False], (
        "found, looked for again, and once more in what was written"
    )
    (check,) = [check for check in told["checks"] if check["name"] == "speech"]
    assert check["result"] == "pass"
    assert any("0.0–0.4, 0.8–1.6 s" in said for said in sentences(told["reasons"]))


def test_speech_that_is_still_heard_in_what_was_written_fails(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener()

    def find(sound: Iterable[NDArray[np.int16]]) -> list[Span]:
        length = sum(map(len, sound)) / RATE
        listener.asked.append(True)
        return [(0.4, 0.8)] if len(listener.asked) < 3 else [(1.0, min(1.3, length))]

    monkeypatch.setattr(listener, "find", find)
    monkeypatch.setattr("anonymizer.road.clip.process.SpeechFinder", lambda: listener)
    source = make_clip(tmp_path / "a.mp4", numbered(40), sound=1.6)
    ran = run("blur", source, "--out", tmp_path / "out", "--audio", "mute-speech", *FAST)
    assert ran.code in (3, 4) and "Speech is heard in the written sound" in ran.out + ran.err
    assert not list((tmp_path / "out" / "ready").iterdir())


def test_nothing_is_fetched_or_searched_where_there_is_no_sound(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never() -> None:
        raise AssertionError("no speech finder is wanted")

    monkeypatch.setattr("anonymizer.road.clip.process.SpeechFinder", never)
    source = make_clip(tmp_path / "a.mp4", numbered(10))
    assert run("blur", source, "--out", tmp_path / "out", "--audio", "mute-speech", *FAST).code == 3


def test_what_the_network_remembers_goes_on_from_block_to_block(finder: SpeechFinder) -> None:
    rng = np.random.default_rng(3)
    sound = (3000 * rng.standard_normal((RATE * 10 + 77, 1))).astype(np.int16)
    whole, parts = speech._Channel(finder._network), speech._Channel(finder._network)
    whole.take(sound[:, 0])
    for part in np.array_split(sound[:, 0], 13):
        parts.take(part)
    one, other = whole.end(), parts.end()
    assert len(one) == -(-len(sound) // FRAME) and np.allclose(one, other, atol=1e-4)
