"""Pages from templates: every value is escaped, and the style sheets stand within, so that a page is one file."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from anonymizer.i18n import ENGLISH, Say, speaker

STYLES = ("page.css", "print.css")


@lru_cache(maxsize=4)
def environment(package: str) -> Environment:
    """The templates of a package, in its folder ``templates``."""
    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def document(template: str, language: str, **values: object) -> str:
    """A page of the reports, whole. In its template ``say`` puts a message into the page's language."""
    language = language or ENGLISH
    say: Say = speaker(language)
    return (
        environment("anonymizer.report")
        .get_template(template)
        .render(language=language, say=say, style=_style(), **values)
    )


@lru_cache(maxsize=1)
def _style() -> Markup:
    folder = files("anonymizer.report") / "styles"
    return Markup("".join((folder / name).read_text(encoding="utf-8") for name in STYLES))
