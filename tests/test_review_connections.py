"""Connections that ask nothing do not keep the person from being answered."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anonymizer.i18n import speaker
from anonymizer.review import connections
from anonymizer.review.security import STALE
from conftest import QUICK
from review_server import Client, serving


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    with serving(tmp_path / "out", QUICK) as client:
        client.enter()
        yield client


def half_open(client: Client, count: int, said: bytes) -> contextlib.ExitStack:
    """So many connections that have said this and no more."""
    stack = contextlib.ExitStack()
    for _ in range(count):
        one = stack.enter_context(socket.create_connection(("127.0.0.1", client.port), timeout=20))
        one.sendall(said)
    return stack


@pytest.mark.parametrize(
    "said",
    [b"", b"GET / HTTP/1.1\r\nHost: ", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nx"],
    ids=["nothing", "half a header", "half a body"],
)
def test_a_hundred_half_open_connections(client: Client, said: bytes) -> None:
    with half_open(client, 100, said):
        for _ in range(20):
            begun = time.monotonic()
            assert client.get("api/session").status == 200
            assert time.monotonic() - begun < 5
    assert client.get("api/session").status == 200


def test_headers_must_come_in_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as one:
        begun = time.monotonic()
        ended = False
        while not ended and time.monotonic() - begun < 15:
            # A byte now and then does not begin the time anew.
            with contextlib.suppress(OSError):
                one.sendall(b"G")
            one.settimeout(0.1)
            try:
                ended = one.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
        assert ended


def test_the_next_request_must_come_in_time_as_well(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as one:
        for _ in range(2):
            # Between requests it may rest.
            one.sendall(request)
            said = b""
            while not said.endswith(speaker("en")(STALE).encode()):
                said += one.recv(1 << 16)
            time.sleep(1)
        one.sendall(b"GET")
        with contextlib.suppress(ConnectionResetError):
            assert one.recv(1) == b""


def test_a_body_must_go_on_coming(client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.5)
    head = (
        f"POST {client.path('api/uploads')} HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nCookie: {client.cookie}\r\n"
        f"Origin: {client.origin}\r\nContent-Type: application/octet-stream\r\nContent-Length: 100000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as one:
        one.sendall(head.encode() + b"\xff\xd8\xff")
        with contextlib.suppress(ConnectionResetError):
            assert one.recv(1) == b""
    inbox = tmp_path / "out" / ".anonymizer" / "inbox"
    end = time.monotonic() + 10
    while any(inbox.iterdir()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(inbox.iterdir()), "what had come of it is gone"


def test_a_slow_upload_arrives(client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(connections, "BODY_SECONDS", 2.0)
    path = tmp_path / "photo.png"
    Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(path)
    content = path.read_bytes()
    head = (
        f"POST {client.path('api/uploads')} HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nCookie: {client.cookie}\r\n"
        f"Origin: {client.origin}\r\nContent-Type: application/octet-stream\r\nX-File-Name: p.png\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as one:
        one.sendall(head.encode())
        step = len(content) // 8 + 1
        for at in range(0, len(content), step):
            one.sendall(content[at : at + step])
            time.sleep(0.4)
        assert b"202" in one.recv(1 << 16)
    assert client.finish()
