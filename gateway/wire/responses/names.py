"""Paths of members as a Responses client knows them: what is `response_format` inside is its `text.format`.

Rules:
- A turn inside is one item of `input` or several, as items.py joins them: a path into it names the item, and the part.
- Only an outline of the input is kept: the input itself may be large, and its call long.
- What is continued stands ahead of the client's own items: then a path says `input` and no number.
- A path that is not of the inside (a member of the format already, a header) stays as it is.

Not here: who tells a client a path (the frontend).
"""

import re
from typing import Any, Final

_NAMES: Final = {
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "reasoning_effort": "reasoning.effort",
    "thinking": "reasoning",
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "logprobs": "top_logprobs",
    "messages": "input",
}
_TURN: Final = re.compile(r"messages\[(-?\d+)\](?P<content>\.content(?:\[(?P<part>\d+)\])?)?")
_FUNCTION: Final = re.compile(r"(tools\[\d+\])\.(?:function|custom)\b")
_FIRST: Final = re.compile(r"\w+")
_OUTPUTS: Final = ("function_call_output", "custom_tool_call_output")
_TEXT: Final = -1

Outline = list[tuple[str, int]]
"""For each item what it is, and its parts (-1 for a text): `turn` and `output` are turns of their own, `said` and ``
join what the model said."""


def outline(given: Any) -> Outline:
    """Of an `input`; empty for a text."""
    return [_outlined(item) for item in given] if isinstance(given, list) else []


def _outlined(item: Any) -> tuple[str, int]:
    if type(item) is not dict:
        return "", _TEXT
    kind = item.get("type", "message")
    if kind != "message":
        return ("output" if kind in _OUTPUTS else ""), _TEXT
    content = item.get("content")
    parts = len(content) if type(content) is list else _TEXT
    return ("said" if item.get("role") == "assistant" else "turn"), parts


def own_path(path: str, items: Outline, *, is_continued: bool = False) -> str:
    """The path of a member in Responses' words."""
    if found := _TURN.match(path):
        if found[1].startswith("-"):  # the instructions stand before the first turn
            return "instructions"
        place = "" if is_continued else _in_item(items, int(found[1]), found)
        return f"input{place}"
    if found := _FUNCTION.match(path):
        return found[1] + path[found.end() :]
    found = _FIRST.match(path)
    name = found[0] if found else ""
    return _NAMES.get(name, name) + path[len(name) :]


def _in_item(items: Outline, wanted: int, found: re.Match[str]) -> str:
    """`[place]` of the item that holds a part of a turn, and the part in it; nothing where there are no items."""
    part = int(found["part"] or 0)
    turn, first, is_joining = -1, 0, False
    for place, (kind, parts) in enumerate(items):
        joins = kind in ("", "said")
        if not (joins and is_joining):
            turn, first = turn + 1, 0
        is_joining = joins
        count = 1 if parts == _TEXT else parts
        if turn == wanted and (part < first + count or not count):
            return f"[{place}]" + _in_content(kind, parts, found, part - first)
        first += count
    return ""


def _in_content(kind: str, parts: int, found: re.Match[str], part: int) -> str:
    if found["content"] is None or not kind:
        return ""
    if kind == "output":
        return ".output"
    return f".content[{part}]" if parts != _TEXT and found["part"] else ".content"
