"""JSON of the OpenAI format for property tests: plausible bodies, spoiled at every level.

Rules: every strategy gives values as `gateway.wire.json.loads` would return them; each member of a body is there or
    not, of its type, null, or any JSON at all; every object may have members nobody knows.
Not here: what must hold for them (test_lossless_*.py).
"""

import base64
import functools
import json
from typing import Any

from google.protobuf.message import Message
from hypothesis import strategies as st

from gateway.wire.json import dumps, loads

DEEP = 900

characters = st.one_of(
    st.characters(exclude_categories=()),
    st.sampled_from('"\\/\b\f\n\r\t\x00\x1f\x7f\u2028\ufeff\ud800\udbff\udc00\udfff\U0001f600'),
)
texts = st.text(characters, max_size=8)
integers = st.one_of(
    st.integers(),
    st.sampled_from(
        [sign * 2**power + off for sign in (1, -1) for power in (31, 53, 63, 64, 80) for off in (-1, 0, 1)]
    ),
    st.just(10**30),
)
floats = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.0, -0.0, 1.0, 1e300, 2.0**53]))
scalars = st.one_of(st.none(), st.booleans(), integers, floats, texts)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


def settled(value: Any) -> Any:
    """The value as it is read from JSON (two halves of a surrogate pair become one character)."""
    return loads(dumps(value), depth_max=DEEP)


@functools.cache
def nested(depth: int) -> Any:
    """A list in a list in a list ..."""
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal in type and value; the order of members does not count."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return repr(left) == repr(right)


def kept_of(message: Message) -> list[str]:
    """What a message tree holds outside its typed fields: every `extra`, `nulls` and opaque block, with its place."""
    found = []
    for field, value in message.ListFields():
        place = f"{message.DESCRIPTOR.name}.{field.name}"
        if field.name in ("extra", "nulls", "opaque"):
            found.append(f"{place}: {value!r}")
        elif field.type == field.TYPE_MESSAGE and not (field.message_type.GetOptions().map_entry):
            nested_messages = value if field.is_repeated else [value]
            found += [entry for nested_message in nested_messages for entry in kept_of(nested_message)]
    return found


@st.composite
def objects(draw: st.DrawFn, members: dict[str, st.SearchStrategy[Any]], constant: dict[str, Any] | None = None) -> Any:
    """An object with some of `members`, some of them spoiled, in any order, and sometimes unknown ones."""
    names = draw(st.lists(st.sampled_from(sorted(members)), unique=True)) if members else []
    out = dict(constant or {})
    for name in names:
        spoiling = draw(st.integers(0, 11))
        out[name] = None if spoiling == 0 else draw(anything if spoiling == 1 else members[name])
    if draw(st.integers(0, 3)) == 0:
        out |= draw(st.dictionaries(st.one_of(texts, st.sampled_from(KNOWN_ELSEWHERE)), anything, max_size=2))
    return out


def lists(item: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.one_of(item, item, item, item, anything), max_size=3)


KNOWN_ELSEWHERE = ["extra", "nulls", "blocks", "dialect", "index", "type", "function", "custom", "content", "audio",
                   "tool_call_id", "data", "media_type", "choices", "delta", "text", "is_stop_string"]  # fmt: skip

encoded = st.one_of(
    st.binary(max_size=7).map(lambda data: base64.b64encode(data).decode()),
    st.text("AB+/=\n", max_size=6),
)
media_types = st.sampled_from(["image/png", "", "a;b=c", "x,y", "é"])
uris = st.one_of(
    st.builds(lambda media_type, data: f"data:{media_type};base64,{data}", media_types, encoded),
    st.sampled_from(["http://x/y.png", "data:,x", "data:image/png;base64", "DATA:image/png;base64,AAAA"]),
    texts,
)  # fmt: skip
function = objects({"name": texts, "arguments": st.one_of(texts, st.just("{}"))})
custom = objects({"name": texts, "input": texts})
tool_call = objects(
    {"index": st.integers(0, 3), "id": st.sampled_from(["", "call_1", "call_2"]),
     "type": st.sampled_from(["function", "custom", "function_call", "mcp"]), "function": function, "custom": custom}
)  # fmt: skip
cache_control = st.just({"type": "ephemeral"})
image = objects({"url": uris, "detail": texts, "file_id": texts})
file = objects({"file_data": st.one_of(uris, encoded), "file_id": texts, "filename": texts})
part = st.one_of(
    objects({"text": texts, "cache_control": cache_control, "citations": anything}, {"type": "text"}),
    objects({"image_url": st.one_of(uris, image)}, {"type": "image_url"}),
    objects({"input_audio": objects({"data": encoded, "format": st.just("wav")})}, {"type": "input_audio"}),
    objects({"file": file}, {"type": "file"}),
    objects({"refusal": texts}, {"type": "refusal"}),
    objects({"x": anything}, {"type": "video_url"}),
)  # fmt: skip
content = st.one_of(texts, st.just(""), lists(part))
audio = objects({"id": texts, "data": encoded, "expires_at": integers, "transcript": texts})
message = objects(
    {"role": st.sampled_from(["user", "assistant", "system", "tool", "function", "développeur"]), "content": content,
     "name": texts, "refusal": texts, "tool_calls": lists(tool_call), "function_call": function, "audio": audio,
     "reasoning_content": texts, "reasoning": texts, "annotations": anything, "tool_call_id": texts}
)  # fmt: skip
tool = objects(
    {"type": st.sampled_from(["function", "custom", "web"]), "cache_control": cache_control, "custom": anything,
     "function": objects({"name": texts, "description": texts, "parameters": anything, "strict": st.booleans()})}
)  # fmt: skip
tool_choice = st.one_of(
    st.sampled_from(["none", "auto", "required", "any", "tool", "allowed_tools"]),
    st.sampled_from([{"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "c"}}]),
    objects({"function": function, "custom": custom, "allowed_tools": anything, "mode": texts},
            {"type": "function"}),
    objects({"allowed_tools": objects({"mode": texts, "tools": anything})}, {"type": "allowed_tools"}),
)  # fmt: skip
number = st.one_of(floats, integers, st.sampled_from([0, 1, 0.5, 1.0]))
stop = st.one_of(texts, st.lists(texts, max_size=3))
stream_options = objects({"include_usage": st.booleans(), "include_obfuscation": st.booleans()})
_sampling = {
    **dict.fromkeys(["temperature", "top_p", "presence_penalty", "frequency_penalty"], number),
    **dict.fromkeys(["max_tokens", "n", "seed"], integers),
    "stop": stop, "user": texts, "stream": st.booleans(), "stream_options": stream_options, "logit_bias": anything,
    "model": texts,
}  # fmt: skip
chat_request = objects(
    _sampling
    | {"messages": lists(message), "tools": lists(tool), "tool_choice": tool_choice, "logprobs": st.booleans(),
       "max_completion_tokens": integers, "top_logprobs": integers, "parallel_tool_calls": st.booleans(),
       "response_format": objects({"type": texts, "json_schema": objects(
           {"name": texts, "description": texts, "schema": anything, "strict": st.booleans()})}),
       "safety_identifier": texts, "metadata": st.dictionaries(texts, texts, max_size=3), "modalities": lists(texts),
       "audio": anything, "reasoning_effort": texts, "verbosity": texts, "service_tier": texts, "store": st.booleans(),
       "prediction": anything, "prompt_cache_key": texts, "prompt_cache_retention": texts, "functions": anything,
       "web_search_options": anything, "function_call": anything, "top_k": integers,
       "thinking": objects({"type": texts, "budget_tokens": integers}), "safety_settings": anything,
       "cached_content": texts, "moderation": anything, "prompt_cache_options": anything}
)  # fmt: skip
usage = objects(
    {"prompt_tokens": integers, "completion_tokens": integers, "total_tokens": integers,
     "prompt_tokens_details": objects({"cached_tokens": integers, "audio_tokens": integers}),
     "completion_tokens_details": objects({"reasoning_tokens": integers})}
)  # fmt: skip
_envelope = {
    "id": texts,
    "object": texts,
    "created": integers,
    "model": texts,
    "usage": usage,
    "system_fingerprint": texts,
}
_ending = {"index": st.integers(0, 2), "finish_reason": texts, "logprobs": anything}
choice = objects(_ending | {"message": message, "native_finish_reason": texts, "stop_sequence": texts})
chat_response = objects(_envelope | {"choices": lists(choice), "service_tier": texts})
delta = objects(
    {"role": texts, "content": texts, "refusal": texts, "reasoning_content": texts, "reasoning": texts, "audio": audio,
     "tool_calls": lists(tool_call), "function_call": function}
)  # fmt: skip
chat_chunk = objects(_envelope | {"choices": lists(objects(_ending | {"delta": delta})), "obfuscation": texts})
prompt = st.one_of(texts, st.lists(texts, max_size=3), st.lists(integers, max_size=3),
                   st.lists(st.lists(integers, max_size=3), max_size=3))  # fmt: skip
completion_request = objects(
    _sampling | {"prompt": prompt, "best_of": integers, "echo": st.booleans(), "logprobs": integers, "suffix": texts}
)
completion_response = objects(_envelope | {"choices": lists(objects(_ending | {"text": texts}))})
embedding_request = objects(
    {"model": texts, "input": prompt, "dimensions": integers, "encoding_format": texts, "user": texts}
)
vector = st.one_of(st.lists(floats, max_size=4), st.lists(number, max_size=4), encoded)
embedding_response = objects(
    {"object": texts, "model": texts, "usage": usage,
     "data": lists(objects({"object": texts, "index": integers, "embedding": vector}))}
)  # fmt: skip


@st.composite
def spellings(draw: st.DrawFn, value: Any) -> bytes:
    """One of the ways providers spell the same JSON."""
    if draw(st.booleans()):
        return dumps(value)
    separators = draw(st.sampled_from([(", ", ": "), (",", ":"), (" , ", " : ")]))
    try:
        is_ascii = draw(st.booleans())
        return json.dumps(value, ensure_ascii=is_ascii, separators=separators).encode()
    except UnicodeEncodeError:
        return dumps(value)
