"""Members with several spellings that requests share: text or tokens (`prompt`, `input`), and `stop`.

Rules: each spelling has its form, so it is written as it was read; a list that mixes kinds, or is empty, stays in
    `extra`; an unspecified form is written as what the message holds.
Not here: limits on their number and length (admission).
"""

from typing import Any

from gateway.wire.openai.fields import boolean, is_text, record
from gateway.wire.openai.mirror import Field, JsonObject, Mirror
from gateway.wire.pb import types_pb2

_UNSPECIFIED = types_pb2.INPUT_FORM_UNSPECIFIED
_STRING = types_pb2.INPUT_FORM_STRING
_STRINGS = types_pb2.INPUT_FORM_STRINGS
_TOKENS = types_pb2.INPUT_FORM_TOKENS
_TOKEN_ARRAYS = types_pb2.INPUT_FORM_TOKEN_ARRAYS

STREAM_OPTIONS_TABLE = Mirror(types_pb2.StreamOptions, [boolean("include_usage"), boolean("include_obfuscation")])
STREAM_OPTIONS = record("stream_options", STREAM_OPTIONS_TABLE)


def text_input(name: str) -> Field:
    """A string, strings, token ids, or arrays of token ids."""

    def read(message: Any, value: Any) -> bool:
        found = types_pb2.TextInput()
        if not _read_input(found, value):
            return False
        getattr(message, name).CopyFrom(found)
        return True

    def write(out: JsonObject, value: types_pb2.TextInput) -> None:
        out[name] = _input_json(value)

    return Field(name, read, {name: write})


def _read_input(found: types_pb2.TextInput, value: Any) -> bool:
    if type(value) is str:
        found.form = _STRING
        return _add_texts(found, [value])
    if type(value) is not list or not value:
        return False
    kinds = set(map(type, value))
    if kinds == {str}:
        found.form = _STRINGS
        return _add_texts(found, value)
    if kinds == {int}:
        found.form = _TOKENS
        return _add_tokens(found, [value])
    found.form = _TOKEN_ARRAYS
    return kinds == {list} and all(set(map(type, ids)) <= {int} for ids in value) and _add_tokens(found, value)


def _add_texts(found: types_pb2.TextInput, texts: list[str]) -> bool:
    if not all(map(is_text, texts)):
        return False
    found.texts.extend(texts)
    return True


def _add_tokens(found: types_pb2.TextInput, sequences: list[list[int]]) -> bool:
    try:
        for ids in sequences:
            found.tokens.add().ids.extend(ids)
    except ValueError:  # beyond 64 bits
        return False
    return True


def _input_json(value: types_pb2.TextInput) -> Any:
    form = value.form or _form_of(value)
    if form == _STRING:
        return value.texts[0] if value.texts else ""
    if form == _TOKENS:
        return list(value.tokens[0].ids) if value.tokens else []
    return list(value.texts) if form == _STRINGS else [list(sequence.ids) for sequence in value.tokens]


def _form_of(value: types_pb2.TextInput) -> int:
    if value.tokens:
        return _TOKENS if len(value.tokens) == 1 else _TOKEN_ARRAYS
    return _STRING if len(value.texts) == 1 else _STRINGS


def _read_stop(request: Any, value: Any) -> bool:
    texts = [value] if type(value) is str else value
    if type(texts) is not list or not texts or not all(map(is_text, texts)):
        return False
    request.stop.extend(texts)
    if texts is not value:
        request.is_stop_string = True
    return True


def _write_stop(out: JsonObject, value: Any) -> None:
    out.setdefault("stop", list(value))


def _write_stop_string(out: JsonObject, is_string: bool) -> None:
    if is_string and len(out.get("stop", ())) == 1:
        out["stop"] = out["stop"][0]


STOP = Field("stop", _read_stop, {"stop": _write_stop, "is_stop_string": _write_stop_string})
