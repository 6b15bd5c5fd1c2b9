"""Contents: the turns of a conversation, and the content of an answer.

Rules:
- Role `model` is assistant; a content without a role, or of the old role `function`, is the user's.
- Gemini pairs a tool's answer with its call by name when neither has an id: calls without one get `call_<n>`, and an
  answer without one that of the first open call of its name. Made-up ids are named in `nulls` and never written.

Not here: parts (parts.py), the other members of a request (request.py).
"""

from collections.abc import Iterable
from typing import Any

from gateway.wire.gemini.groups import Group, Table
from gateway.wire.gemini.parts import read_part, write_part
from gateway.wire.openai.mirror import JsonObject, kept_object
from gateway.wire.pb import types_pb2

ROLES = {"assistant": "model", "user": "user"}
_READ_ROLES = {"model": "assistant", "user": "user"}


def _reading_role(default: str) -> Any:
    def read(message: Any, said: JsonObject) -> bool:
        role = said.get("role")
        message.role = default if default == "system" or type(role) is not str else _READ_ROLES.get(role, default)
        return False

    return read


def _write_role(message: Any, out: JsonObject) -> None:
    if message.role in ROLES:
        out["role"] = ROLES[message.role]


def _read_parts(message: Any, said: JsonObject) -> bool:
    if type(parts := said.get("parts")) is not list or not parts:
        return False
    for part in parts:
        read_part(part, message.blocks.add())
    return True


def _write_parts(message: Any, out: JsonObject) -> None:
    if message.blocks:
        out["parts"] = [write_part(block) for block in message.blocks]


def _table(default: str) -> Table:
    role = Group(("role",), _reading_role(default), _write_role, has_default=True)
    return Table([role, Group(("parts",), _read_parts, _write_parts)])


TURN = _table("user")
ANSWER = _table("assistant")
INSTRUCTION = _table("system")


def add_ids(messages: Iterable[types_pb2.Message]) -> None:
    """Give an id to each call that has none, and to each answer the id of the call it belongs to."""
    open_calls: dict[str, list[str]] = {}
    count = 0
    for message in messages:
        for block in message.blocks:
            if block.HasField("tool_use"):
                count += 1
                call = block.tool_use
                if not call.HasField("id") and '"id"' not in call.extra:
                    call.id = f"call_{count}"
                    call.nulls.append("id")
                open_calls.setdefault(call.name, []).append(call.id)
            elif block.HasField("tool_result"):
                _answer(block.tool_result, open_calls)


def _answer(result: types_pb2.ToolResultBlock, open_calls: dict[str, list[str]]) -> None:
    waiting = open_calls.get(result_name(result), [])
    if result.tool_use_id in waiting:
        waiting.remove(result.tool_use_id)
    elif waiting and not result.HasField("tool_use_id") and '"id"' not in result.extra:
        result.tool_use_id = waiting.pop(0)
        result.nulls.append("id")


def result_name(result: types_pb2.ToolResultBlock) -> str:
    """The name of the function a functionResponse answers for."""
    name = kept_object(result.extra).get("name") if result.extra else None
    return name if type(name) is str else ""
