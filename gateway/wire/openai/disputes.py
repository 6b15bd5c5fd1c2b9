"""Requests made outside JSON that say one thing in typed fields and another in `extra`.

`extra` wins when a body is written, so a gRPC caller could have one value checked, counted and priced, and another one
sent. The gRPC edge refuses such a request.

Rules:
- A message read from JSON has no disputes, whatever the JSON was.
- Without disputes, the typed fields hold everything a checker of the JSON body could read as that member.

Not here: members nobody knows (they may stand in `extra` freely), checks of the values (admission).
"""

from typing import Any, Final

from google.protobuf.message import Message

from gateway.wire.openai import chat, completions, embeddings
from gateway.wire.openai.inputs import STREAM_OPTIONS_TABLE
from gateway.wire.openai.messages import MESSAGE
from gateway.wire.openai.mirror import Mirror, kept_object
from gateway.wire.openai.parts import FILE, IMAGE, PARTS
from gateway.wire.openai.tools import FUNCTION_TOOL, TOOL
from gateway.wire.pb import types_pb2

_TABLES: Final[dict[type, Mirror]] = {
    table.message_class: table
    for table in (
        chat.REQUEST,
        completions.REQUEST,
        embeddings.REQUEST,
        MESSAGE,
        TOOL,
        FUNCTION_TOOL,
        IMAGE,
        FILE,
        STREAM_OPTIONS_TABLE,
    )
}


def first_dispute(request: Message) -> str | None:
    """The path of the first member (like `messages[2].content`) whose `extra` contradicts its typed field, or None.

    Raises JsonInvalid for an `extra` that is not a JSON object.
    """
    return _first(request, "")


def _first(message: Any, path: str) -> str | None:
    if getattr(message, "extra", "") and (names := _disputed(message)):
        return path + min(names)
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE or (field.is_repeated and field.message_type.GetOptions().map_entry):
            continue
        nested = [(f"[{at}]", item) for at, item in enumerate(value)] if field.is_repeated else [("", value)]
        for at, item in nested:
            if (found := _first(item, f"{path}{field.name}{at}.")) is not None:
                return found
    return None


def _disputed(message: Any) -> list[str]:
    if isinstance(message, types_pb2.Block):
        table = PARTS.get(message.WhichOneof("kind") or "")
    else:
        table = _TABLES.get(type(message))
    names = table.disputed(message) if table else []
    if isinstance(message, types_pb2.Message) and message.role == "tool":
        names += [name for name in ("tool_call_id",) if type(kept_object(message.extra).get(name)) is str]
    return names
