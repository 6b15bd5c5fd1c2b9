"""The shapes of OpenAI's Responses format, as JSON Schema, for the OpenAPI document.

Rules: as openapi_schemas.py: data only, unknown members allowed everywhere.
Not here: shapes of chats (openapi_schemas.py), paths (openapi.py).
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

_FORMAT = record("type", type=one_of("text", "json_object", "json_schema"), name=STRING, schema=OBJECT, strict=BOOLEAN)
_USAGE = record(
    "input_tokens output_tokens total_tokens",
    input_tokens=INTEGER,
    input_tokens_details=record(cached_tokens=INTEGER, cache_write_tokens=INTEGER),
    output_tokens=INTEGER,
    output_tokens_details=record(reasoning_tokens=INTEGER),
    total_tokens=INTEGER,
)

RESPONSES_SCHEMAS: dict[str, Schema] = {
    "ResponsesItem": record(
        "type",
        type=STRING,
        id=STRING,
        status=one_of("in_progress", "completed", "incomplete"),
        role=STRING,
        content={"anyOf": [STRING, listed(OBJECT)]},
        call_id=STRING,
        name=STRING,
        arguments=STRING,
        summary=listed(OBJECT),
    ),
    "ResponsesRequest": record(
        "model input",
        model=STRING,
        input={"anyOf": [STRING, listed(OBJECT, minItems=1)]},
        instructions=nullable(STRING),
        max_output_tokens=nullable({"type": "integer", "minimum": 1}),
        stream=nullable(BOOLEAN),
        temperature=nullable(ranged("number", 0, 2)),
        top_p=nullable(ranged("number", 0, 1)),
        tools=listed(record("type", type=STRING, name=STRING, description=nullable(STRING)), maxItems=128),
        tool_choice={"anyOf": [one_of("none", "auto", "required"), OBJECT]},
        parallel_tool_calls=nullable(BOOLEAN),
        reasoning=nullable(record(effort=nullable(STRING), summary=nullable(STRING))),
        text=record(format=_FORMAT, verbosity=nullable(STRING)),
        metadata=nullable(OBJECT),
        store=nullable(BOOLEAN),
        previous_response_id=nullable(STRING),
        include=nullable(listed(STRING)),
    ),
    "ResponsesResponse": record(
        "id object created_at status model output",
        id=STRING,
        object=always("response"),
        created_at=INTEGER,
        status=one_of("completed", "incomplete", "in_progress", "failed"),
        error=nullable(record("code message", code=STRING, message=STRING)),
        incomplete_details=nullable(record("reason", reason=one_of("max_output_tokens", "content_filter"))),
        model=STRING,
        output=listed(ref("ResponsesItem")),
        usage=nullable(_USAGE),
    ),
    "ResponsesDeleted": record("id object deleted", id=STRING, object=always("response"), deleted=BOOLEAN),
    "ResponsesItems": record(
        "object data has_more",
        object=always("list"),
        data=listed(ref("ResponsesItem")),
        first_id=nullable(STRING),
        last_id=nullable(STRING),
        has_more=BOOLEAN,
    ),
    "ResponsesEvent": record(
        "type sequence_number", type=STRING, sequence_number=INTEGER, response=OBJECT, item=OBJECT
    ),
}
