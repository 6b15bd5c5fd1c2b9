"""JSON -> message -> bytes -> message -> JSON is the identity, for any JSON object in the place of any body."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.wire.json import dumps, loads
from gateway.wire.openai import chat, completions, embeddings
from tests.contract import lossless
from tests.contract.lossless import nested, same, settled

Codec = tuple[Callable[[Any], Any], Callable[[Any], Any], st.SearchStrategy[Any]]

CODECS: dict[str, Codec] = {
    "chat request": (chat.decode_request, chat.encode_request, lossless.chat_request),
    "chat response": (chat.decode_response, chat.encode_response, lossless.chat_response),
    "completion request": (completions.decode_request, completions.encode_request, lossless.completion_request),
    "completion response": (completions.decode_response, completions.encode_response, lossless.completion_response),
    "embedding request": (embeddings.decode_request, embeddings.encode_request, lossless.embedding_request),
    "embedding response": (embeddings.decode_response, embeddings.encode_response, lossless.embedding_response),
}


def assert_identity(codec: Codec, body: Any) -> None:
    decode, encode, _ = codec
    message = decode(body)
    received = type(message).FromString(message.SerializeToString())
    rendered = encode(received)
    assert same(rendered, body), (rendered, body)
    assert same(loads(dumps(rendered), depth_max=lossless.DEEP), body)


@pytest.mark.parametrize("name", CODECS)
def test_a_plausible_body_spoiled_anywhere_comes_back(name: str) -> None:
    """Wrong types, nulls, unknown members, odd unicode and huge integers at every level of a body survive."""

    @settings(max_examples=300)
    @given(CODECS[name][2].map(settled))
    def check(body: Any) -> None:
        assert_identity(CODECS[name], body)

    check()


@pytest.mark.parametrize("name", CODECS)
def test_any_object_comes_back(name: str) -> None:
    """An object that has nothing to do with the format survives, also in the place of a nested one."""

    @settings(max_examples=100)
    @given(st.dictionaries(lossless.texts, lossless.anything, max_size=4).map(settled))
    @example({})
    @example({"extra": "{}", "nulls": ["a"], "\ud800": "\udfff", "": [[], {}, [{}]]})
    def check(body: Any) -> None:
        assert_identity(CODECS[name], body)
        for member in ("messages", "tools", "choices", "data", "input", "prompt"):
            assert_identity(CODECS[name], {member: [body]})
            assert_identity(CODECS[name], {member: body})

    check()


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("member", ["unknown", "messages", "tools", "choices", "usage", "logit_bias", "stop", "input"])
def test_deep_nesting_comes_back(name: str, member: str) -> None:
    """A value nested deeper than orjson writes (254) survives in a known and in an unknown member."""
    for value in (nested(300), [{"role": "user", "content": nested(300)}], {"x": nested(300)}):
        assert_identity(CODECS[name], {member: value})


@pytest.mark.parametrize("name", CODECS)
def test_every_member_may_be_null(name: str) -> None:
    """null in place of each known member is neither absence nor a default."""
    table = {
        "chat request": chat.REQUEST, "chat response": chat.RESPONSE,
        "completion request": completions.REQUEST, "completion response": completions.RESPONSE,
        "embedding request": embeddings.REQUEST, "embedding response": embeddings.RESPONSE,
    }[name]  # fmt: skip
    members = [field.removesuffix("_json") for field in table.names]
    assert_identity(CODECS[name], dict.fromkeys(members))
    for member in members:
        for value in (None, [], {}, "", 0, False, 0.0, [None], [{}], {"": None}):
            assert_identity(CODECS[name], {member: value})
