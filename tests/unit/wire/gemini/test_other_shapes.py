"""Embeddings, errors and blocked prompts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.foreign import plain_embedding
from gateway.wire.gemini import chat, embeddings, errors
from gateway.wire.openai import chat as openai_chat
from gateway.wire.openai import chunks as openai_chunks
from gateway.wire.openai import embeddings as openai_embeddings
from gateway.wire.pb import embeddings_pb2


def test_embeddings_of_openai_are_a_batch() -> None:
    """One request per text; token ids have no place."""
    unsupported: list[str] = []
    request = openai_embeddings.decode_request({"model": "m", "input": ["a", "b"], "dimensions": 3, "user": "u"})
    assert embeddings.encode_request(request, "e", unsupported) == {
        "requests": [
            {"model": "models/e", "content": {"parts": [{"text": text}]}, "outputDimensionality": 3} for text in "ab"
        ]
    }
    embeddings.encode_request(openai_embeddings.decode_request({"model": "m", "input": [1, 2]}), "e", unsupported)
    assert unsupported == ["input"]


def test_embeddings_of_geminis_clients() -> None:
    """One and many for a model of another format; unknown members are named; vectors come back, packed ones too."""
    unsupported: list[str] = []
    one = embeddings.decode_request({"content": {"parts": [{"text": "a"}]}, "taskType": "X"}, is_batch=False)
    assert openai_embeddings.encode_request(plain_embedding(one, unsupported)) == {"input": "a"}
    items: list[Any] = [
        {"model": "models/e", "content": {"parts": [{"text": t}]}, "outputDimensionality": 2} for t in "ab"
    ]
    items[1]["content"]["parts"].append({"inlineData": {"data": "AAAA"}})
    many = embeddings.decode_request({"requests": items, "x": 1}, is_batch=True)
    assert openai_embeddings.encode_request(plain_embedding(many, unsupported)) == {
        "input": ["a", "b"], "dimensions": 2
    }  # fmt: skip
    assert unsupported == ["taskType", "x", "requests[1].content.parts[1]"]
    answer = embeddings.decode_response({"embeddings": [{"values": [0.5, 1]}, {"values": [0.25, 0.0]}]})
    assert openai_embeddings.encode_response(answer)["data"][0]["embedding"] == [0.5, 1.0]
    assert embeddings.encode_response(answer, is_batch=True)["embeddings"][1] == {"values": [0.25, 0.0]}
    packed = embeddings_pb2.EmbeddingResponse(data=[embeddings_pb2.Embedding(packed=b"\x00\x00\x00\x3f")])
    assert embeddings.encode_response(packed, is_batch=False) == {"embedding": {"values": [0.5]}}
    with pytest.raises(ValueError, match="embedding 0"):
        embeddings.decode_response({"embeddings": [{"values": ["x"]}]})


@settings(max_examples=50)
@given(st.sampled_from(sorted(errors.STATUS_WORDS)), st.sampled_from([None, 0.5, 37.0]))
def test_an_error_reads_back(status: int, wait_s: float | None) -> None:
    """Status, word, reason and wait, also in the array of a broken stream."""
    body = errors.encode(status, "words", reason="rate_limited", retry_after_s=wait_s)
    for spelled in (body, [body]):
        failure = errors.decode(json.dumps(spelled).encode())
        assert failure == (status, errors.STATUS_WORDS[status], "words", "RATE_LIMITED", wait_s)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"error":"x"}', b'{"error":{"code":"x","details":[1]}}'])
def test_what_is_no_error_says_nothing(body: bytes) -> None:
    """Nothing is guessed."""
    assert errors.decode(body) == errors.Failure()


def test_a_blocked_prompt_is_one_filtered_choice() -> None:
    """Gemini shows no candidate; OpenAI's clients see content_filter, whole and streamed."""
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}
    answer = chat.decode_response(blocked)
    (choice,) = openai_chat.encode_response(answer)["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("content_filter", None)
    assert chat.encode_response(answer) == blocked
    chunk = chat.ChunkDecoder().read(blocked)
    assert [c.finish_reason for c in chunk.choices] == ["content_filter"]


def test_the_signature_of_a_call_goes_to_an_openai_client_and_back() -> None:
    """It stands where Google's own OpenAI endpoint has it, and returns to the part it belongs to."""
    part = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"}
    answer = {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}]}
    message = openai_chat.encode_response(chat.decode_response(answer))["choices"][0]["message"]
    (call,) = message["tool_calls"]
    assert call["type"] == "function"
    assert call["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    back = chat.encode_request(openai_chat.decode_request({"model": "m", "messages": [message]}))
    (given,) = back["contents"][0]["parts"]
    assert given["thoughtSignature"] == "c2ln"
    assert given["functionCall"] == {"id": call["id"], "name": "f", "args": {}}


def test_the_signature_of_an_openai_answer_reaches_a_gemini_client() -> None:
    """Of Google's own OpenAI endpoint, or of a Gemini model asked in another shape: whole and streamed."""
    call = {
        "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "c2ln"}},
    }  # fmt: skip
    part = {"functionCall": {"id": "c1", "name": "f", "args": {}}, "thoughtSignature": "c2ln"}
    choice = {"index": 0, "finish_reason": "tool_calls"}
    answer = {
        "id": "a",
        "choices": [{**choice, "message": {"role": "assistant", "content": None, "tool_calls": [call]}}],
    }
    given = chat.encode_response(openai_chat.decode_response(answer))
    assert given["candidates"][0]["content"]["parts"] == [part]
    chunk = {"id": "a", "choices": [{**choice, "delta": {"tool_calls": [{"index": 0, **call}]}}]}
    renderer = chat.ChunkRenderer()
    event = openai_chunks.ChunkDecoder().decode(json.dumps(chunk).encode())
    frames = [json.loads(data) for _, data in [*renderer.render(event), *renderer.finish()]]
    assert [frame["candidates"][0]["content"]["parts"] for frame in frames] == [[part]]


@pytest.mark.parametrize("inline", [{"data": ""}, {"data": "AAAA"}, {"data": "AAAA", "displayName": "x"}])
def test_data_without_a_media_type_gets_none(inline: dict[str, str]) -> None:
    """From Gemini to Gemini: nothing is guessed into a body."""
    body = {"contents": [{"role": "user", "parts": [{"inlineData": inline}]}]}
    assert chat.encode_request(chat.decode_request(body)) == body


def test_what_newer_embedding_models_report_is_counted() -> None:
    """Their usage is settled, and told to OpenAI's clients."""
    answer = embeddings.decode_response({"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 7}})
    assert openai_embeddings.encode_response(answer)["usage"]["prompt_tokens"] == 7
