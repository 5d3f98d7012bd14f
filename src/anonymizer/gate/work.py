"""The work on one medium, from its first row in the ledger to its one end: admitted, failed or undone.

    with Work(gate, source, settings) as work:
        … write the medium to work.staging() …
        … Gate.admit …

Whoever leaves the ``with`` without having admitted the medium has failed it, where the medium is the cause
(:class:`MediumError`), and has undone it otherwise, as if it had never been begun. Nothing staged is left in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TypeVar, Unpack

from anonymizer.core.errors import MediumError, UnreadableError
from anonymizer.core.message import Message
from anonymizer.gate.records import Beginning, State

if TYPE_CHECKING:
    from anonymizer.gate.folder import Gate

T = TypeVar("T")


class Where(Protocol):
    """Runs a task in the thread that holds the gate, and waits for what it returns."""

    def __call__(self, task: Callable[[], T], /) -> T: ...


def _here(task: Callable[[], T]) -> T:
    return task()


class Work:
    """One medium under way; its row is in the ledger as soon as this is made (see :meth:`Ledger.start`).

    ``replaces`` is the id of the output that this one is to succeed. Without ``fails``, what cannot be processed
    leaves no row: the output that it was to succeed says all there is to say. ``on`` does what touches the gate.
    """

    def __init__(
        self,
        gate: Gate,
        source: Path | str,
        settings: str,
        replaces: str = "",
        *,
        fails: bool = True,
        on: Where = _here,
        **more: Unpack[Beginning],
    ) -> None:
        self.gate = gate
        self.replaces = replaces
        self.attempts = 1
        self._fails = fails
        self._on = on
        self._goes_on = False
        self.id = on(lambda: gate.begin(source, settings, replaces, **more))

    def staging(self) -> Path:
        """Where the medium is written before it is examined, without suffix; private, on the same volume."""
        return self._on(lambda: self.gate.staging(self.id))

    def fail(self, reason: Message, *, passing: bool = False) -> None:
        """Record that the medium could not be processed; nothing of it is kept. ``passing``: another time may do."""
        self._on(lambda: self.gate.fail(self.id, reason, passing=passing))

    def again(self) -> None:
        """Put it back into the queue, for another attempt after this ``with``; what was staged goes."""
        self.attempts += 1
        self._on(lambda: self.gate.ledger.update(self.id, state=State.QUEUED, attempts=self.attempts))
        self._goes_on = True

    def close(self) -> None:
        """Undo it, as if it had never been begun, unless it has come to an end; what was staged goes."""
        self._on(lambda: self.gate.abandon(self.id))
        self._on(lambda: self.gate.sweep(self.id))

    def __enter__(self) -> Work:
        self._goes_on = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._goes_on and error is None:
            self._on(lambda: self.gate.sweep(self.id))
            return
        try:
            if isinstance(error, MediumError) and self._fails:
                self.fail(error.message, passing=isinstance(error, UnreadableError))
        finally:
            self.close()
