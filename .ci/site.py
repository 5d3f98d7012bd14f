"""Hooks of the site (mkdocs.yml): the README is its start page, and pages outside of docs/ are copied beside it.

Links to other files outside of docs/ would lead nowhere on a site: they become plain text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
OUTSIDE = ("sample_media/README.md", "models/face-parts.md", "models/ink.md")
"""Pages outside of docs/ that others link to; they are not in the menu."""


def on_files(files: Files, config: Any) -> Files:
    """Add the README and the pages that lie elsewhere."""
    start = (ROOT / "README.md").read_text(encoding="utf-8")
    start = re.sub(r"\]\(docs/", "](", start)
    files.append(File.generated(config, "index.md", content=start))
    for name in OUTSIDE:
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links up out of docs/ lead to where the site has those pages; those to other files become plain text."""
    if page.file.src_uri.startswith(("models/", "sample_media/")):
        return re.sub(r"\[([^\]]*)\]\((?!https?://)[^)]*\)", r"\1", markdown)
    text = markdown.replace("](../README.md", "](index.md")
    for name in OUTSIDE:
        text = text.replace(f"](../{name}", f"]({name}")
    return re.sub(
        r"\[([^\]]*)\]\((?:\.\./|(?:LICENSE|CHANGELOG|CONTRIBUTING|SECURITY|CITATION))[^)]*\)", r"\1", text
    )
