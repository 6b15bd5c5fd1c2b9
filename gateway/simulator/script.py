"""Answers written by whoever runs the simulator: a conversation with n results of tools gets turn n.

Rules:
- A script is a list of turns, and a turn is a text or calls of tools; after the last turn, the last one is repeated.
- The results are counted in the request itself, whatever its format, so that nothing is remembered between requests.
- A call is made only of a tool the request offers; a turn of which no tool is offered is its text.
- Bounded: MAX_SCRIPTS names, MAX_TURNS turns, MAX_CALLS calls in one.

Not here: text and calls on a wire (answer.py and the formats), where scripts are handed in (server.py).
"""

from dataclasses import dataclass
from typing import Any

import orjson

Json = dict[str, Any]
MAX_SCRIPTS = 64
MAX_TURNS = 256
MAX_CALLS = 64
_ROLES = ("tool", "function")
_TYPE_ENDS = ("tool_result", "_call_output")
_MEMBERS = ("toolResult", "functionResponse", "function_response")
_CONVERSATIONS = ("messages", "contents", "input")


class BadScript(ValueError):
    """A script that is none, or a name nobody handed one in for."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer; `calls` are names of tools and their arguments (JSON, or the text a free-form tool takes)."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()


class Scripts:
    """The scripts of one simulator, by name."""

    def __init__(self) -> None:
        self._turns: dict[str, tuple[Turn, ...]] = {}

    def put(self, name: str, body: bytes) -> None:
        """Take a script: `{"turns": [{"text": TEXT} | {"calls": [{"name": NAME, "arguments": OBJECT or TEXT}]}]}`.

        Raises BadScript.
        """
        if not (name.isascii() and name.isalnum()):
            raise BadScript("The name of a script is letters and digits.")
        if name not in self._turns and len(self._turns) >= MAX_SCRIPTS:
            raise BadScript(f"There are {MAX_SCRIPTS} scripts already.")
        self._turns[name] = read_turns(body)

    def turn(self, name: str, request: Json) -> Turn:
        """What this script says to a request. Raises BadScript for a name nobody handed in."""
        turns = self._turns.get(name)
        if turns is None:
            raise BadScript(f"The simulator has no script {name!r}: PUT /_sim/scripts/{name}")
        return turns[min(count_results(request), len(turns) - 1)]


def read_turns(body: bytes) -> tuple[Turn, ...]:
    """The turns of a script. Raises BadScript."""
    try:
        turns = tuple(_turn(item) for item in orjson.loads(body)["turns"])
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise BadScript(f"This is no script: {error!r}") from None
    if not 1 <= len(turns) <= MAX_TURNS or any(len(turn.calls) > MAX_CALLS for turn in turns):
        raise BadScript(f"A script has 1 to {MAX_TURNS} turns of at most {MAX_CALLS} calls.")
    return turns


def _turn(item: Json) -> Turn:
    calls = tuple((str(call["name"]), _arguments(call.get("arguments", {}))) for call in item.get("calls", ()))
    return Turn(str(item.get("text", "")), calls)


def _arguments(given: Any) -> str:
    return given if isinstance(given, str) else orjson.dumps(given).decode()


def count_results(request: Json) -> int:
    """How many results of tools a conversation holds, whatever the format."""
    return sum(_results(request.get(name)) for name in _CONVERSATIONS)


def _results(turns: Any) -> int:
    """Results may be turns, or stand in the content of turns."""
    found = 0
    for turn in turns if isinstance(turns, list) else ():
        if not isinstance(turn, dict):
            continue
        if turn.get("role") in _ROLES or _is_result(turn):
            found += 1
            continue
        blocks = turn.get("content") or turn.get("parts")
        found += (
            sum(_is_result(block) for block in blocks if isinstance(block, dict)) if isinstance(blocks, list) else 0
        )
    return found


def _is_result(item: Json) -> bool:
    return str(item.get("type", "")).endswith(_TYPE_ENDS) or any(name in item for name in _MEMBERS)
