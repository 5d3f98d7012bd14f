"""BlazeFace (Bazarevsky et al. 2019, arXiv:1907.05047) through MediaPipe's face detector task.

Two networks: one for faces near the camera (input 128×128), one for faces up to five metres away
(192×192, sparse). They are the ensemble's second opinion: another architecture, trained on other pictures.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import sys
import tempfile
import types
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from anonymizer.core.errors import NotReadyError
from anonymizer.core.types import Box, Detection, Kind, Pixels
from anonymizer.detect.models.store import Store

SHORT = "blazeface-short"
FULL = "blazeface-full"


class BlazeFace:
    """One of the two networks. Raises :class:`ModelError` or :class:`NotReadyError` if it cannot load.

    The threshold is the task's own and fixed: :meth:`detect` filters above it.
    """

    device = "CPU"

    def __init__(self, store: Store, name: str, least: float = 0.2) -> None:
        content = store.load(name)
        self.name = name
        with hushed():
            try:
                with _put_off("matplotlib", "pyplot"):
                    import mediapipe
                    from mediapipe.tasks.python.core.base_options import BaseOptions
                    from mediapipe.tasks.python.vision import FaceDetector, FaceDetectorOptions
            except (ImportError, OSError) as error:
                raise NotReadyError("model.no-mediapipe", cause=error) from error
            options = FaceDetectorOptions(
                base_options=BaseOptions(model_asset_buffer=content), min_detection_confidence=least
            )
            self._task: Any = FaceDetector.create_from_options(options)
            self._image: Any = mediapipe.Image
            self._format: Any = mediapipe.ImageFormat.SRGB
            self._close = weakref.finalize(self, _closed, self._task)
            # At the interpreter's end the task would close itself through a thread pool that is already
            # gone, and complain; the process ends anyway, so it is made to forget its handle.
            self._close.atexit = False
            atexit.register(setattr, self._task, "_handle", None)
            # The first pictures make the library speak once more: among others of a buffer that does not
            # start at a multiple of 64 bytes, once in a process and as its allocator happens to place it.
            # Pictures of several sizes place it at several addresses.
            for side in range(64, 192, 16):
                self._detect(np.zeros((side, 64, 3), np.uint8))

    def close(self) -> None:
        """Let go of the task. Later calls of :meth:`detect` are an error."""
        self._close()

    def detect(self, pictures: Sequence[Pixels], threshold: float) -> list[list[Detection]]:
        """The faces of each picture ``(h, w, 3)`` uint8 RGB, in its own pixels."""
        return [[d for d in self._detect(picture) if d.score >= threshold] for picture in pictures]

    def _detect(self, picture: Pixels) -> list[Detection]:
        height, width = picture.shape[:2]
        data = np.ascontiguousarray(picture)
        answer = self._task.detect(self._image(image_format=self._format, data=data))
        found = []
        for face in answer.detections:
            box = face.bounding_box
            # Six key points: both eyes, nose tip, centre of the mouth, both ears. No corners of the mouth.
            points = [(float(k.x) * width, float(k.y) * height) for k in face.keypoints or []]
            found.append(
                Detection(
                    Box(float(box.origin_x), float(box.origin_y), float(box.width), float(box.height)),
                    float(face.categories[0].score),
                    Kind.FACE,
                    self.name,
                    tuple(points[:3]),
                )
            )
        return found


@contextlib.contextmanager
def _put_off(parent: str, child: str) -> Iterator[None]:
    """Who imports ``parent.child`` in this block loads it only when something in it is first asked for.

    MediaPipe imports a library that draws charts, for a function that nobody calls here: most of its own loading.
    """
    name = f"{parent}.{child}"
    if parent in sys.modules:
        yield
        return
    later, above = types.ModuleType(name), types.ModuleType(parent)
    later.__getattr__ = lambda asked: getattr(importlib.import_module(name), asked)  # type: ignore[method-assign]
    setattr(above, child, later)
    sys.modules.update({parent: above, name: later})
    try:
        yield
    finally:
        del sys.modules[parent], sys.modules[name]


def _closed(task: Any) -> None:
    with hushed():
        task.close()


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Hold back what native libraries write to the standard error stream while they load.

    Their lines bypass ``sys.stderr``, so the descriptor itself is turned aside. Should the block fail, what
    was held back is passed on: it may say why.
    """
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (OSError, ValueError, AttributeError):
        # No standard error stream at all (a service, a windowed program): nothing to turn aside.
        yield
        return
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            if failed:
                aside.seek(0)
                os.write(2, aside.read())
