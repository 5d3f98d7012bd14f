"""Every sentence of the program in English, by the code of its message: the one table of what can be said.

A place in a sentence is the name of one of the message's values, with the form that a number takes there:
``{seconds:.1f}``. Where ``count`` decides between singular and plural, the entry is a pair of the two.
"""

from __future__ import annotations

ENGLISH: dict[str, str | tuple[str, str]] = {
    "as-it-is": "{text}",
    "place": "x {x:.0f}, y {y:.0f}, {w:.0f} by {h:.0f} pixels",
    "ask.at": "at {box}",
    "ask.at-moment": "{seconds:.1f} s into the clip, at {box}",
    "ask.face": "There may be a face {where}: please look.",
    "ask.face-part": "There may be a part of a face {where}: please look.",
    "ask.text": "There may be text {where}: please look.",
    "ask.code": "There may be a code {where}: please look.",
    "ask.mark": "There may be a tattoo or another mark {where}: please look.",
    "ask.drawn": "There may be something to hide {where}: please look.",
    "ask.nothing-left": "There may be nothing left to see of the case {where}: please look.",
    "ask.face.hidden": "What may be a face is hidden {where}: please look whether it is one.",
    "ask.face-part.hidden": "What may be a part of a face is hidden {where}: please look whether it is one.",
    "ask.text.hidden": "What may be text is hidden {where}: please look whether it is.",
    "ask.code.hidden": "What may be a code is hidden {where}: please look whether it is one.",
    "ask.mark.hidden": "What may be a tattoo or another mark is hidden {where}: please look whether it is one.",
    "ask.drawn.hidden": "Something is hidden {where}: please look whether it must be.",
    "ask.nothing-left.hidden": "So much is hidden {where} that there may be nothing left to see of the case: please look.",
}
