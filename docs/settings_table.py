"""Write the table of docs/settings.md from what the settings say of themselves. Run from the project's root:

python docs/settings_table.py
"""

from __future__ import annotations

from pathlib import Path

from anonymizer.core.described import Described, described

PAGE = Path(__file__).parent / "settings.md"
BEGIN = "<!-- settings: written by docs/settings_table.py -->\n"
END = "<!-- end of settings -->\n"


def value(one: Described) -> str:
    default = one.field.default
    if default in ((), "", None):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def allowed(one: Described) -> str:
    least, most = one.bounds
    if one.choices:
        said = ", ".join(f"`{choice}`" for choice in one.choices)
    elif least is not None and most is not None:
        said = f"{least:g} to {most:g}"
    else:
        said = "more than 0" if any(hasattr(bound, "gt") for bound in one.field.metadata) else ""
    return "; ".join(filter(None, (said, f"{one.about.unsafe} unsafe" if one.about.unsafe else "")))


def flag(one: Described) -> str:
    if isinstance(one.field.default, bool):
        return f"`{one.flag}`, `{one.flag.replace('--', '--no-', 1)}`"
    return f"`{one.flag} {one.about.value}`" if one.about.value else f"`{one.flag}`"


def table() -> str:
    """The whole table, head and all."""
    lines = ["| key | default | range | flag | what it does |", "|---|---|---|---|---|"]
    for one in described():
        said = " ".join(filter(None, (one.about.help, one.about.more)))
        lines.append(f"| `{'.'.join(one.keys)}` | {value(one)} | {allowed(one)} | {flag(one)} | {said} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with its table as it should be."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
