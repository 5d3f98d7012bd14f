"""What a walk over a file's metadata has found so far, within bounds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from anonymizer.read.traces.strings import canaries

MAX_STRINGS = 8000
"""Canaries of one source: beyond this many a file is made to have them."""
MAX_READ = 1 << 25
"""Bytes of text that are looked at in one source, so that no structure can keep the walk busy for long."""

# Text among other bytes: eight characters, or five and an end; fewer turn up in any data by chance.
# Of UTF-8 only Latin and Cyrillic letters: longer forms turn up by chance as well.
_UTF8 = rb"(?:[\x20-\x7e]|[\xc3-\xc5\xd0\xd1][\x80-\xbf])"
_AMONG = re.compile(_UTF8 + rb"{8,}|(?<![\x20-\xff])" + _UTF8 + rb"{5,}(?=\x00)")
_UTF16 = {
    "utf-16-le": re.compile(rb"(?:[\x20-\x7e\xc0-\xff]\x00){5,}"),
    "utf-16-be": re.compile(rb"(?:\x00[\x20-\x7e\xc0-\xff]){5,}"),
}


@dataclass
class TraceCollector:
    """Kinds in the order they were met, and strings; both without doubles."""

    kinds: dict[str, None] = field(default_factory=dict)
    strings: set[str] = field(default_factory=set)
    left: int = MAX_READ

    def kind(self, *names: str) -> None:
        self.kinds.update(dict.fromkeys(names))

    def text(self, text: str) -> None:
        """The canaries of a text."""
        self.left -= len(text)
        if len(self.strings) < MAX_STRINGS and self.left > 0:
            self.strings.update(canaries(text))

    def value(self, data: bytes) -> None:
        """A field that is all text, in whatever encoding its writer used."""
        data = data[: 1 << 20]
        if b"\0" in data[:-1]:
            self.binary(data)
            if data.startswith((b"\xff\xfe", b"\xfe\xff")):
                self.text(data.decode("utf-16", "ignore"))
        try:
            self.text(data.decode("utf-8").replace("\0", "\n"))
        except UnicodeDecodeError:
            self.text(data.decode("latin-1").replace("\0", "\n"))

    def binary(self, data: bytes, most: int = 1 << 22) -> None:
        """The runs of text in bytes of unknown structure: ASCII, UTF-8 and UTF-16."""
        data = data[: max(0, min(most, self.left))]
        self.left -= len(data)
        for run in _AMONG.finditer(data):
            self.text(run.group().decode("utf-8", "ignore"))
        for codec, pattern in _UTF16.items():
            for run in pattern.finditer(data):
                self.text(run.group().decode(codec, "ignore"))
