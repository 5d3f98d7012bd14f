"""A connection to the page: how long it may take to ask, and which one gives way when there are too many.

Any program of the machine can open connections to the page's port. Those that ask nothing must not keep the person
from being answered: a request's headers have to arrive in time, a body has to go on arriving, and where connections
are at their limit, the one that has waited longest without a request in work is closed.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 64
"""Connections at a time: a browser opens six to a host; macOS lets a process have 256 descriptors."""
HEADER_SECONDS = 10.0
"""From the connection, or the first byte of its next request, until the headers are there."""
BODY_SECONDS = 30.0
"""Between two pieces of a body that the program is ready to read."""


class Connection(H11Protocol):
    """uvicorn's connection with deadlines, and at most :data:`MOST` of them."""

    _deadline: asyncio.TimerHandle | None = None

    @property
    def working(self) -> bool:
        """Whether a request of it is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection in; where there are too many, the one that has waited longest makes room."""
        if len(self.connections) >= MOST:
            waiting = [one for one in self.connections if isinstance(one, Connection) and not one.working]
            if not waiting:
                transport.abort()
                return
            min(waiting, key=lambda one: one.since).drop()
        super().connection_made(transport)
        self.since = self.loop.time()
        self._expect(HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget its deadline with it."""
        self._expect(None)
        if self.transport is not None:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """What comes in; the clock of a request's headers starts with its first byte and does not start anew."""
        waited = self._deadline is not None and not self.working
        super().data_received(data)
        if self.transport.is_closing():
            self._expect(None)
        elif self.working:
            self._expect(BODY_SECONDS if self.cycle.more_body else None)
        elif not waited:
            self._expect(HEADER_SECONDS)

    def on_response_complete(self) -> None:
        """An answer is out: the keep-alive time runs, until the next request begins."""
        self._expect(None)
        self.since = self.loop.time()
        super().on_response_complete()
        if self.working and self.cycle.more_body:
            # The next request had come already, but for its body.
            self._expect(BODY_SECONDS)

    def drop(self) -> None:
        """Close it without a word."""
        self._expect(None)
        self.connections.discard(self)
        self.transport.abort()

    def _expect(self, seconds: float | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._late) if seconds is not None else None

    def _late(self) -> None:
        self._deadline = None
        if self.working and (self.flow.read_paused or not self.cycle.more_body):
            # The program itself has not read on.
            self._expect(BODY_SECONDS)
        else:
            self.drop()
