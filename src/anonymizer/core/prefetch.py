"""Run an iterator some items ahead, or calls behind, in a thread of its own: reading, drawing, encoding and looking go
side by side."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def ahead(items: Iterable[T], depth: int = 3) -> Iterator[Iterator[T]]:
    """The same items in the same order, at most ``depth`` of them ready; an error is raised where it belongs.

    When the block is left the thread has ended, and the iterator, if it can be closed, is closed.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None, bool]] = queue.Queue(depth)
    stop = threading.Event()

    def put(entry: tuple[T | None, BaseException | None, bool]) -> None:
        while not stop.is_set():
            try:
                ready.put(entry, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put((item, None, False))
                if stop.is_set():
                    break
            put((None, None, True))
        except BaseException as error:  # noqa: BLE001  handed to whoever waits for the next item
            put((None, error, True))
        finally:
            if isinstance(items, Generator):
                items.close()

    def taken() -> Iterator[T]:
        while True:
            item, error, last = ready.get()
            if error is not None:
                raise error
            if last:
                return
            yield item  # type: ignore[misc]

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    with closing(taken()) as iterator:  # type: ignore[type-var]
        try:
            yield iterator
        finally:
            stop.set()
            thread.join()


@contextmanager
def behind(waiting: int = 3) -> Iterator[Callable[[Callable[[], None]], None]]:
    """What takes calls and makes them one after the other, at most so many of them ``waiting``.

    What a call raises is raised by a later one, or at the end of the block, when all were made. Where the block itself
    ends with an error, those that wait are not.
    """
    made: deque[Future[None]] = deque()

    def take(call: Callable[[], None]) -> None:
        made.append(thread.submit(call))
        while len(made) > waiting:
            made.popleft().result()

    with ThreadPoolExecutor(1) as thread:
        try:
            yield take
            while made:
                made.popleft().result()
        finally:
            thread.shutdown(wait=False, cancel_futures=True)
