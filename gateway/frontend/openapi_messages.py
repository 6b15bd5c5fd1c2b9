"""The shapes of Anthropic's bodies, as JSON Schema, for the OpenAPI document.

Rules: as openapi_schemas.py: data only, unknown members allowed everywhere.
Not here: OpenAI's shapes (openapi_schemas.py), paths (openapi.py).
"""

from __future__ import annotations

from gateway.frontend.openapi_schemas import (
    BOOLEAN,
    INTEGER,
    OBJECT,
    STRING,
    Schema,
    always,
    listed,
    nullable,
    one_of,
    ranged,
    record,
    ref,
)

_BLOCK = record("type", type=STRING, text=STRING, source=OBJECT, id=STRING, name=STRING, input=OBJECT)
_CONTENT: Schema = {"anyOf": [STRING, listed(ref("MessagesBlock"))]}
_USAGE = record(
    "output_tokens",
    input_tokens=INTEGER,
    output_tokens=INTEGER,
    cache_creation_input_tokens=nullable(INTEGER),
    cache_read_input_tokens=nullable(INTEGER),
)
_STOP = {"stop_reason": nullable(STRING), "stop_sequence": nullable(STRING)}

_REQUEST: dict[str, Schema] = {
    "model": STRING,
    "max_tokens": {"type": "integer", "minimum": 1},
    "messages": listed(record("role content", role=STRING, content=_CONTENT), minItems=1),
    "system": _CONTENT,
    "stream": BOOLEAN,
    "temperature": ranged("number", 0, 2),
    "top_p": ranged("number", 0, 1),
    "top_k": INTEGER,
    "stop_sequences": listed(STRING),
    "tools": listed(record("name", name=STRING, description=STRING, input_schema=OBJECT), maxItems=128),
    "tool_choice": record("type", type=one_of("auto", "any", "tool", "none"), disable_parallel_tool_use=BOOLEAN),
    "thinking": record("type", type=STRING, budget_tokens=INTEGER),
    "metadata": record(user_id=STRING),
}

MESSAGES_SCHEMAS: dict[str, Schema] = {
    "MessagesBlock": _BLOCK,
    "MessagesRequest": record("model max_tokens messages", **_REQUEST),
    "MessagesCountRequest": record("model messages", **_REQUEST),
    "MessagesTokenCount": record("input_tokens", input_tokens=INTEGER),
    "MessagesResponse": record(
        "id type role content model stop_reason stop_sequence usage",
        id=STRING,
        type=always("message"),
        role=always("assistant"),
        model=STRING,
        content=listed(ref("MessagesBlock")),
        usage=_USAGE,
        **_STOP,
    ),
    "MessagesEvent": record("type", type=STRING, index=INTEGER, delta=OBJECT, message=OBJECT, content_block=OBJECT),
    "MessagesError": record(
        "type error",
        type=always("error"),
        error=record("type message", type=STRING, message=STRING),
        request_id=STRING,
    ),
}
