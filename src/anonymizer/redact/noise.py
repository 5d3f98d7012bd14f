"""The noise on a redaction: it follows from a secret and from what the place looks like, smoothly.

Fresh noise for each run would be averaged away by whoever has many outputs of one picture. Noise that follows from
a hash of the picture would change altogether with every re-encoding. This noise is a random function of a coarse
look at the place: a Gaussian process, drawn by the secret, over that look (random Fourier features: Rahimi and
Recht 2007). Two looks that lie closer than :data:`REACH` get nearly the same noise, two that lie much farther apart
get independent noise; there is no border at which it jumps. For one look alone the noise of the averages is
independent and Gaussian, as fresh noise would be.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 5
"""Rows and columns of the look."""
REACH = 2.0
"""Distance of two looks at which their noise has a correlation of exp(-1/2), .61. Measured (docs/redaction.md)."""
FAINT = 6.0
"""Of 255: added to the look's own contrast when it is divided by it, so that flat places look alike."""
FEATURES = 512


def look(grid: NDArray[np.floating]) -> NDArray[np.float64]:
    """What a place looks like, whatever its brightness and contrast: float64 ``(SIDE * SIDE,)``.

    ``grid``: brightness averages ``(rows, columns)`` of the place, 0 to 255. Each value of the look is about 1 off 0.
    """
    sized = cv2.resize(np.asarray(grid, np.float32), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    values = np.asarray(sized, np.float64).ravel()
    values -= values.mean()
    return np.asarray(values / (values.std() + FAINT), np.float64)


def noise(secret: bytes, seen: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float32]:
    """Noise of mean 0 and standard deviation 1 for a grid of averages: float32 ``(rows, columns)``.

    ``seen``: the place's :func:`look`. The same secret, look and size give the same noise, on every machine.
    """
    turns, starts, weights = _features(secret, len(seen), rows, columns)
    waves = np.cos(turns @ seen + starts)
    return np.asarray(weights @ waves, np.float32).reshape(rows, columns)


@lru_cache(maxsize=8)
def _features(
    secret: bytes, length: int, rows: int, columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What the secret alone decides: how the waves run, where they start, how much each average takes of each."""
    turns = _normal(secret, f"turns {length}", FEATURES * length).reshape(FEATURES, length) / REACH
    starts = _uniform(secret, "starts", FEATURES) * 2 * np.pi
    weights = _normal(secret, f"weights {rows} {columns}", rows * columns * FEATURES)
    return turns, starts, weights.reshape(rows * columns, FEATURES) * np.sqrt(2 / FEATURES)


def _uniform(secret: bytes, purpose: str, count: int) -> NDArray[np.float64]:
    """Numbers in (0, 1) from SHAKE-256: a generator of NumPy's may draw others in another version."""
    stream = hashlib.shake_256(b"anonymizer noise 1\n" + secret + purpose.encode()).digest(8 * count)
    return (np.frombuffer(stream, "<u8").astype(np.float64) + 0.5) / 2.0**64


def _normal(secret: bytes, purpose: str, count: int) -> NDArray[np.float64]:
    """Standard normal numbers (Box and Muller 1958)."""
    pairs = (count + 1) // 2
    first, second = _uniform(secret, purpose, 2 * pairs).reshape(2, pairs)
    length, angle = np.sqrt(-2 * np.log(first)), 2 * np.pi * second
    return np.concatenate([length * np.cos(angle), length * np.sin(angle)])[:count]
