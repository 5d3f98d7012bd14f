"""A real server on a real port for the tests of the review page, and a client that sends what it is told."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anonymizer.core.settings import Settings
from anonymizer.review.jobs import JobRunner
from anonymizer.review.page import Page
from anonymizer.review.photos import Pictures
from anonymizer.review.server import Server, address, listen


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """Raw requests: every header is what the test says, and nothing is added but Host and the body's length."""

    page: Page
    server: Server
    port: int
    link: str
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            sent = {"Host": f"127.0.0.1:{self.port}"} | self.headers | (headers or {})
            if body is not None and "Transfer-Encoding" not in sent:
                sent.setdefault("Content-Length", str(len(body)))
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def enter(self) -> None:
        """Follow the link, as the browser does."""
        answer = self.send("GET", self.link.removeprefix(self.origin))
        assert answer.status == 303
        self.cookie = answer.headers["set-cookie"].split(";")[0]
        self.headers = {"Cookie": self.cookie}

    def path(self, rest: str) -> str:
        return f"{self.page.keys.path}/{rest}"

    def get(self, rest: str) -> Answer:
        return self.send("GET", self.path(rest))

    def post(self, rest: str, value: Any = None) -> Answer:
        headers = {"Origin": self.origin, "Content-Type": "application/json"}
        return self.send(
            "POST", self.path(rest), headers, json.dumps({} if value is None else value).encode()
        )

    def upload(self, name: str, content: bytes) -> Answer:
        headers = {"Origin": self.origin, "Content-Type": "application/octet-stream", "X-File-Name": name}
        return self.send("POST", self.path("api/uploads"), headers, content)

    def finish(self, seconds: float = 60) -> list[dict[str, Any]]:
        """Wait until nothing is being processed; every job."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            jobs = self.get("api/poll").json()["jobs"]
            if all(job["stage"] in ("done", "failed") for job in jobs):
                return list(jobs)
            time.sleep(0.05)
        raise AssertionError("the work did not end")


@contextmanager
def serving(out: Path, settings: Settings, **more: Any) -> Iterator[Client]:
    """The page of an output folder, served from a thread until the block ends."""
    with listen(0) as listening, JobRunner(out, settings) as runner:
        pictures = Pictures(settings.limits)
        # Where a test says no language, the page speaks the browser's.
        page = Page(runner, pictures, **({"spoken": "language" in more} | more))
        server = Server(page, listening)
        thread = threading.Thread(target=server.serve_until_done)
        thread.start()
        try:
            yield Client(page, server, listening.getsockname()[1], address(page, listening))
        finally:
            server.should_exit = True
            thread.join(20)
            page.close()
            assert not thread.is_alive()
