"""Citations of answers in typed fields, for callers that read no JSON.

Rules:
- Filled from the JSON text beside them, which stays: what has no typed field is there. What is no citation is left out.
- Filling twice changes nothing.

Not here: which dialect says what in that JSON (its own package).
"""

from typing import Any, Final

from gateway.wire.json import JsonInvalid, loads
from gateway.wire.openai.fields import is_text
from gateway.wire.pb import chat_pb2, types_pb2

_DEPTH_MAX: Final = 1000
_TEXTS: Final = {
    "type": ("type",),
    "url": ("url",),
    "title": ("title", "document_title", "filename"),
    "cited_text": ("cited_text",),
    "file_id": ("file_id",),
}
_NUMBERS: Final = {
    "start": ("start_index", "start_char_index", "start_page_number", "start_block_index"),
    "end": ("end_index", "end_char_index", "end_page_number", "end_block_index"),
    "document_index": ("document_index",),
}
_INT64_MAX: Final = 2**63 - 1


def cite(event: chat_pb2.ChatResponse | chat_pb2.ChatChunk) -> None:
    """Fill the typed citations of an answer, or of a piece of one."""
    if isinstance(event, chat_pb2.ChatResponse):
        for choice in event.choices:
            _cite_message(choice.message)
        return
    for delta in event.choices:
        for block in delta.delta.blocks:
            if block.HasField("citation_json") and (found := _citations(f"[{block.citation_json}]")):
                block.citation.CopyFrom(found[0])


def _cite_message(message: types_pb2.Message) -> None:
    if message.HasField("annotations_json"):
        del message.citations[:]
        message.citations.extend(_citations(message.annotations_json))
    for block in message.blocks:
        if block.HasField("citations_json"):
            del block.citations[:]
            block.citations.extend(_citations(block.citations_json))


def _citations(json_text: str) -> list[types_pb2.Citation]:
    try:
        listed = loads(json_text.encode(), depth_max=_DEPTH_MAX)
    except JsonInvalid:
        return []
    return [_citation(item) for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _citation(item: dict[str, Any]) -> types_pb2.Citation:
    """One citation; OpenAI's chats have its members in an object named by its type."""
    inner = item.get(item["type"]) if isinstance(item.get("type"), str) else None
    members = {**item, **inner} if isinstance(inner, dict) else item
    made = types_pb2.Citation()
    for field, names in _TEXTS.items():
        value = next((members[name] for name in names if is_text(members.get(name))), None)
        if value is not None:
            setattr(made, field, value)
    for field, names in _NUMBERS.items():
        number = next((members[name] for name in names if type(members.get(name)) is int), None)
        if number is not None and abs(number) <= _INT64_MAX:
            setattr(made, field, number)
    return made
