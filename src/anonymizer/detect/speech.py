"""Where somebody speaks in a clip's sound: Silero's network for voice activity, 31 times a second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Model
from anonymizer.detect.models.store import Store
from anonymizer.detect.runtime import Network

NAME = "silero-vad"
"""Of the model's entry."""
RATE = 16_000
FRAME, CONTEXT = 512, 64
"""Samples that the network judges at a time, and those before them that it is given again."""
TOGETHER = 256
"""Frames in one call: eight seconds."""
SURE, LIKELY = 0.3, 0.15
"""Speech begins where the network's probability reaches the first, and goes on while it does not fall below the second.
Its makers use .5 and .35; here what is overlooked is worse than what is silenced in vain (docs/video.md)."""
LEAST = 3
"""Frames, a tenth of a second, that speech lasts: a click is shorter."""
MARGIN = 0.4
"""Seconds before and after speech that belong to it: breath, and sounds too faint to be told."""
Span = tuple[float, float]
"""Begin and end in seconds."""


class SpeechFinder:
    """Finds speech in sound. Raises :class:`anonymizer.core.errors.ModelError` where the model cannot be had."""

    def __init__(self, store: Store | None = None) -> None:
        store = store or Store()
        self._entry = store.entry(NAME)
        self._network = Network(store.load(NAME), pictures=False, exact=True)

    def models(self) -> list[Model]:
        """The model, for the report."""
        return [self._entry.used_on(self._network.device)]

    def find(self, blocks: Iterable[NDArray[np.int16]]) -> list[Span]:
        """Spans of speech, in order and apart, their margins included; ``blocks`` are ``(n, channels)`` at 16 kHz.

        Each channel is listened to by itself: what two microphones hear may cancel where they are mixed.
        """
        channels: list[_Channel] = []
        length = 0
        for block in blocks:
            length += len(block)
            channels = channels or [_Channel(self._network) for _ in range(block.shape[1])]
            for number, channel in enumerate(channels):
                channel.take(block[:, number])
        heard = [channel.end() for channel in channels]
        return spans(np.max(heard, axis=0), length / RATE) if heard else []


class _Channel:
    """One channel under way: what the network remembers, and what it has said."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.hidden, self.cell = np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32)
        self.before = np.zeros(CONTEXT, np.float32)
        self.waiting: list[NDArray[np.float32]] = []
        self.count = 0
        self.said: list[NDArray[np.float32]] = []

    def take(self, samples: NDArray[np.int16]) -> None:
        self.waiting.append(samples.astype(np.float32) / np.float32(32768))
        self.count += len(samples)
        if self.count >= FRAME * TOGETHER:
            self._judge(np.concatenate(self.waiting))

    def end(self) -> NDArray[np.float32]:
        """The probability of speech in each frame."""
        rest = np.concatenate([*self.waiting, np.zeros(-self.count % FRAME, np.float32)])
        self._judge(rest.astype(np.float32))
        return np.concatenate([*self.said, np.zeros(0, np.float32)])

    def _judge(self, samples: NDArray[np.float32]) -> None:
        whole = len(samples) // FRAME
        self.waiting = [samples[whole * FRAME :]]
        self.count = len(samples) - whole * FRAME
        for first in range(0, whole, TOGETHER):
            frames = samples[first * FRAME : min(whole, first + TOGETHER) * FRAME].reshape(-1, FRAME)
            contexts = np.vstack([self.before, frames[:-1, -CONTEXT:]])
            self.before = frames[-1, -CONTEXT:]
            asked = [np.hstack([contexts, frames]), self.hidden, self.cell]
            said, self.hidden, self.cell = self.network.run_inputs(asked)
            self.said.append(np.asarray(said, np.float32).ravel())


def spans(probabilities: Sequence[float] | NDArray[np.float32], length: float) -> list[Span]:
    """Spans of speech in ``length`` seconds, by the network's probability in each frame."""
    found: list[Span] = []
    start, sure = -1, False
    for number, value in enumerate([*probabilities, 0.0]):
        if value >= LIKELY:
            start, sure = number if start < 0 else start, sure or value >= SURE
            continue
        if sure and number - start >= LEAST:
            begin, end = start * FRAME / RATE - MARGIN, number * FRAME / RATE + MARGIN
            if found and begin <= found[-1][1]:
                begin = found.pop()[0]
            found.append((max(0.0, begin), min(length, end)))
        start, sure = -1, False
    return found
