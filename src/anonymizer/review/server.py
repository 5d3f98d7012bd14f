"""The page's server: a socket on this machine alone, until somebody stops it or nobody has used it for a while."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket

import uvicorn

from anonymizer.core.errors import UsageError
from anonymizer.review.connections import Connection
from anonymizer.review.page import Page
from anonymizer.review.routes import build

TICK = 2.0
"""Seconds between two checks of the clock."""


def listen(port: int) -> socket.socket:
    """A socket on this machine's own address; any free port for 0. Raises :class:`UsageError`."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        # From now on a browser's connection waits for the server instead of being refused.
        listening.listen(64)
    except (OSError, OverflowError) as error:
        listening.close()
        raise UsageError("review.port", port=port) from error
    return listening


def address(page: Page, listening: socket.socket) -> str:
    """The link that opens the page, once."""
    return f"http://127.0.0.1:{listening.getsockname()[1]}/open/{page.keys.token}"


class Server(uvicorn.Server):
    """uvicorn on a socket that is open already; ends by itself when nobody has used the page for a while."""

    def __init__(self, page: Page, listening: socket.socket) -> None:
        self.page = page
        self.listening = listening
        config = uvicorn.Config(
            build(page, listening.getsockname()[1]),
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            http=Connection,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)

    def serve_until_done(self) -> None:
        """Serve until the page is idle, or somebody stops it."""
        asyncio.run(self._until_done())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let who is being served have the answer, for a few seconds; then end, without a traceback.

        uvicorn logs a request that it cuts off as a program's error. It is none: what the gate thread has begun it
        ends before the program does.
        """
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)

    async def _until_done(self) -> None:
        watch = asyncio.create_task(self._watch())
        try:
            await self.serve(sockets=[self.listening])
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch

    async def _watch(self) -> None:
        while not self.should_exit:
            await asyncio.sleep(TICK)
            if not self.page.runner.busy:
                await self.page.runner.ask_gate(self.page.runner.write_index)
            if self.page.idle:
                self.should_exit = True
