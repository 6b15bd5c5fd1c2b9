"""Paths of members as an Anthropic client knows them: what is `stop` inside is its `stop_sequences`.

Rules: a path that is not of the inside (a member of the format already, a header) stays as it is.
Not here: who tells a client a path (the frontend).
"""

import re
from typing import Final

_NAMES: Final = {
    "response_format": "output_config.format",
    "reasoning_effort": "output_config.effort",
    "stop": "stop_sequences",
    "user": "metadata.user_id",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
}
_LIFTED: Final = re.compile(r"messages\[-1\]\.content")
_FIRST: Final = re.compile(r"\w+")


def own_path(path: str) -> str:
    """The path of a member in Anthropic's words."""
    if found := _LIFTED.match(path):
        return "system" + path[found.end() :]
    found = _FIRST.match(path)
    name = found[0] if found else ""
    return _NAMES.get(name, name) + path[len(name) :]
