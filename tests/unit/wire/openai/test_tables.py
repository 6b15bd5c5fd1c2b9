"""The tables name every field of the contract, so that no typed field is forgotten."""

from typing import Any

import pytest

from gateway.wire.openai import chat, completions, deltas, embeddings, inputs, messages, parts, tools, usage
from gateway.wire.openai.mirror import Mirror
from gateway.wire.pb import chat_pb2, completions_pb2, embeddings_pb2, types_pb2

KEPT = {"extra", "nulls"}
BY_HAND = {  # message -> fields that hand-written code reads and writes; test_fields.py shows that it does
    "Message": {"content_form", "blocks"},
    "Delta": {"blocks"},
    "Block": {"is_beside_content", "thinking", "tool_use", "tool_result", "document", "opaque"},
    "ImageBlock": {"media_type", "is_bare"},
    "FileBlock": {"media_type"},
    "BlockDelta": {"block", "text", "refusal", "thinking", "tool", "audio", "start", "opaque"},
    "ThinkingBlock": {"text", "member"},
    "ToolResultBlock": {"tool_use_id", "content_form", "blocks"},
    "DocumentBlock": {"data", "url", "text", "file_id", "media_type", "title"},
    "OpaqueBlock": {"dialect", "json"},
    "ToolChoice": {"mode", "type", "name", "allowed_tools_json"},
    "TextInput": {"form", "texts", "tokens"},
    "TokenSequence": {"ids"},
}
NOT_ON_JSON = {  # message -> fields the OpenAI format has no member for
    "ChatRequest": {"dialect", "previous_response_id", "is_answer_kept"},
    "ChatResponse": {"dialect", "response_id"},
    "ChatChunk": {"dialect", "is_restart", "response_id"},
    "CompletionResponse": {"is_restart"},
    "EmbeddingRequest": {"dialect"},
    "EmbeddingResponse": {"dialect"},
    "Usage": {"is_estimate", "is_partial", "service_tier"},  # the tier is said beside it
    "ThinkingBlock": {"signature", "redacted"},
    "ToolResultBlock": {"is_error"},
    "DocumentBlock": {"context", "citations_config_json", "content_json"},
    "BlockDelta": {"citation_json", "citation", "stop"},
    "Message": {"citations"},
    "Block": {"citations"},
    "TokenCount": {"input_tokens", "is_estimate"},  # Anthropic and Gemini have words for it
    "Citation": {field.name for field in types_pb2.Citation.DESCRIPTOR.fields},  # said in JSON beside it (wire.citing)
}


def mirrors() -> list[Mirror]:
    """Every table, nested ones included."""
    found = {}
    for module in (chat, completions, deltas, embeddings, inputs, messages, parts, tools, usage):
        values: list[Any] = []
        for value in vars(module).values():
            values += value.values() if isinstance(value, dict) else [value]
            values += [*value._inner.values(), value._outer] if isinstance(value, tools.Calls) else []
        found |= {id(value): value for value in values if isinstance(value, Mirror)}
    return list(found.values())


def messages_of(*modules: Any) -> dict[str, Any]:
    return {name: cls for module in modules for name, cls in module.DESCRIPTOR.message_types_by_name.items()}


MESSAGES = messages_of(types_pb2, chat_pb2, completions_pb2, embeddings_pb2)


@pytest.mark.parametrize("name", MESSAGES)
def test_no_typed_field_is_forgotten(name: str) -> None:
    """Each field is in a table, written by hand, or said to have no JSON; and none is said twice."""
    nested = {"StreamOptions": {"include_usage", "include_obfuscation"}}  # made in place
    tabled = {field for mirror in mirrors() if mirror.message_class.DESCRIPTOR.name == name for field in mirror.names}
    tabled |= nested.get(name, set())
    claimed = BY_HAND.get(name, set()) | NOT_ON_JSON.get(name, set())
    assert not tabled & claimed
    assert tabled | claimed | KEPT == {field.name for field in MESSAGES[name].fields} | KEPT


@pytest.mark.parametrize("name", MESSAGES)
def test_what_mirrors_json_can_keep_the_rest(name: str) -> None:
    """extra is field 14, nulls is field 15, of the types the codec expects."""
    fields = MESSAGES[name].fields_by_name
    for kept, number in (("extra", 14), ("nulls", 15)):
        assert kept not in fields or fields[kept].number == number
    assert ("extra" in fields) == ("nulls" in fields)
