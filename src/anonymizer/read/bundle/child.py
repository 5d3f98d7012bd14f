"""The confined process of bundles: what one holds, or a member. Run as ``python -m anonymizer.read.bundle.child``.

It takes one job on standard input, opens the bundle, and is then confined (:mod:`anonymizer.core.confinement`): nothing
is left to it but to read this file, to compute, and to answer. A member's bytes follow as blocks, each with its length
in front; behind the last, of length zero, comes a message that says whether the member is whole.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterable
from itertools import chain
from typing import IO, Any, BinaryIO

from anonymizer.core.confinement.apply import CANNOT_CONFINE, confine
from anonymizer.read.channel import read_message, write_message, write_refusal
from anonymizer.read.process import CANNOT_START

BLOCK = struct.Struct(">I")
LIST, TAKE = "list", "take"
"""What it may be asked to do."""


def main() -> int:
    inside, outside = sys.stdin.buffer, sys.stdout.buffer
    try:
        from pathlib import Path

        from anonymizer.core.errors import AnonymizerError, LimitError
        from anonymizer.read.sniff import open_regular

        job = read_message(inside)
        _prepare(job["format"])
    except ImportError:
        return CANNOT_START
    except EOFError:
        return 0
    try:
        with open_regular(Path(job["path"])) as file:
            size = os.fstat(file.fileno()).st_size
            try:
                confine(job["memory"], job["seconds"], keep=[file.fileno()])
            except OSError:
                return CANNOT_CONFINE
            (_pdf if job["format"] == "PDF" else _zip)(file, size, job, outside)
    except AnonymizerError as error:
        write_refusal(outside, error)
    except MemoryError:
        write_refusal(outside, LimitError("photo.no-memory"))
    except BrokenPipeError:
        return 0
    outside.flush()
    return 0


def _prepare(form: str) -> None:
    """Import what the work needs: afterwards no file can be opened, not even Python's own."""
    import codecs
    import importlib

    if form == "PDF":
        importlib.import_module("anonymizer.read.bundle.document")
        importlib.import_module("pypdfium2.raw").FPDF_InitLibrary()
        return
    importlib.import_module("anonymizer.read.bundle.archive")
    for name in ("utf-8", "cp437", "ascii", "latin-1"):
        codecs.lookup(name)


def _zip(file: BinaryIO, size: int, job: dict[str, Any], outside: IO[bytes]) -> None:
    from anonymizer.read.bundle import archive

    if job["do"] == LIST:
        found = archive.entries(file, size)
        write_message(
            outside,
            {"entries": [{"label": one.label, "flaw": one.flaw, "head": len(one.head)} for one in found]},
        )
        for one in found:
            outside.write(one.head)
        return
    blocks = archive.content(file, size, job["label"], job["most"])
    first = next(blocks, b"")
    write_message(outside, {"begun": True})
    _send(chain([first] if first else [], blocks), outside)


def _pdf(file: BinaryIO, size: int, job: dict[str, Any], outside: IO[bytes]) -> None:
    from anonymizer.read.bundle.document import Document

    document = Document(file.read(size))
    if job["do"] == LIST:
        pages = [document.page(number) for number in range(1, document.count + 1)]
        told = [{"parts": len(page.parts), "small": page.small} for page in pages]
        write_message(outside, {"pages": told, "attached": document.attached})
        return
    drawing = document.draw(job["page"], job["part"], job["max_pixels"])
    write_message(outside, {"width": drawing.width, "height": drawing.height})
    outside.write(drawing.rows)


def _send(blocks: Iterable[bytes], outside: IO[bytes]) -> None:
    from anonymizer.core.errors import AnonymizerError

    try:
        for block in blocks:
            outside.write(BLOCK.pack(len(block)) + block)
    except AnonymizerError as error:
        outside.write(BLOCK.pack(0))
        write_refusal(outside, error)
        return
    outside.write(BLOCK.pack(0))
    write_message(outside, {"whole": True})


if __name__ == "__main__":
    sys.exit(main())
