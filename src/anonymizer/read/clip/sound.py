"""The sound of a clip beside its picture, where it is kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.errors import DamagedError
from anonymizer.core.message import Message
from anonymizer.core.settings import AudioPolicy, Settings
from anonymizer.read import believed
from anonymizer.read.clip.reader import SOUND_RATE, Clip, Reading


class Sound:
    """The clip's sound in step with the picture, ``rate`` samples a second; none where it is dropped or there is none.

    ``form``: (samples per second, channels), None where nothing is kept; ``notes`` on which of several tracks it is.
    Raises :class:`anonymizer.core.errors.MediumError` as :class:`Reading` does. Close it.
    """

    def __init__(self, clip: Clip, settings: Settings, rate: int = SOUND_RATE) -> None:
        self.form: tuple[int, int] | None = None
        self.notes: tuple[Message, ...] = ()
        self._reading: Reading | None = None
        self._blocks: Iterator[NDArray[np.int16]] = iter(())
        self._done = 0
        if settings.audio is not AudioPolicy.DROP and "sound" in clip.traces.kinds:
            self._reading = Reading(
                clip.path, clip.form, settings.limits, "sound", joins=clip.joins, rate=rate
            )
            told = self._reading.described
            try:
                self.notes = believed.messages(told["notes"])
                rate, channels = believed.numbers(told, ["rate", "channels"]).values()
            except (ValueError, KeyError, TypeError) as error:
                raise DamagedError("clip.gave-up") from error
            if not told["kept"]:
                return
            self.form = rate, channels
            self._blocks = (
                data.view(np.int16).reshape(-1, channels) for _, _, _, data in self._reading.records()
            )

    def until(self, seconds: float) -> Iterator[NDArray[np.int16]]:
        """The blocks that begin before this time; what is longer than the picture is left out."""
        while self.form and self._done < seconds * self.form[0]:
            block = next(self._blocks, None)
            if block is None:
                return
            self._done += len(block)
            yield block

    def close(self) -> None:
        """End its decoding process."""
        if self._reading:
            self._reading.close()
