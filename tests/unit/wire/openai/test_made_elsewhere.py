"""Messages that were not made from JSON (by gRPC callers, by other dialects) are correct OpenAI JSON."""

from typing import Any

import pytest

from gateway.wire.json import JsonInvalid, loads
from gateway.wire.openai import chat, completions, embeddings, models
from gateway.wire.openai.chunks import ChunkRenderer
from gateway.wire.pb import chat_pb2, completions_pb2, embeddings_pb2, models_pb2, types_pb2

Block, Message = types_pb2.Block, types_pb2.Message
CALL = types_pb2.ToolUseBlock(id="call_1", name="f", arguments="{}")
CUSTOM_CALL = types_pb2.ToolUseBlock(type="custom", name="c", arguments="x")
THINKING = types_pb2.ThinkingBlock(text="t", signature="s")
CALL_JSON = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Message(role="user", blocks=[Block(text="hi")]), [{"role": "user", "content": "hi"}]),
        (
            Message(role="user", blocks=[Block(text="a"), Block(text="b")]),
            [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
        ),
        (
            Message(role="user", blocks=[Block(image=types_pb2.ImageBlock(data=b"\xff\xd8\xff"))]),
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/"}}]}],
        ),
        (
            Message(role="user", blocks=[Block(image=types_pb2.ImageBlock(data=b"\0", media_type="image/webp"))]),
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/webp;base64,AA=="}}]}],
        ),
        (
            Message(role="user", blocks=[Block(audio=types_pb2.AudioBlock(data=b"\0\0\0", format="wav"))]),
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}],
        ),
        (
            Message(role="user", blocks=[Block(document=types_pb2.DocumentBlock(data=b"%PDF", title="a.pdf"))]),
            [{"role": "user", "content": [{"type": "file", "file": {
                "file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"}}]}],
        ),
        (
            Message(role="user", blocks=[Block(document=types_pb2.DocumentBlock(text="t"))]),
            [{"role": "user", "content": [{"type": "text", "text": "t"}]}],
        ),
        (
            Message(role="assistant", blocks=[Block(tool_use=CALL)]),
            [{"role": "assistant", "content": None, "tool_calls": [CALL_JSON]}],
        ),
        (
            Message(role="assistant", blocks=[
                Block(thinking=THINKING), Block(text="a"), Block(tool_use=CALL)]),
            [{"role": "assistant", "content": "a", "reasoning_content": "t", "tool_calls": [CALL_JSON]}],
        ),
        (
            Message(role="assistant", blocks=[Block(refusal="no")]),
            [{"role": "assistant", "content": None, "refusal": "no"}],
        ),
        (
            Message(role="assistant", blocks=[Block(tool_use=CUSTOM_CALL)]),
            [{"role": "assistant", "content": None,
              "tool_calls": [{"type": "custom", "custom": {"name": "c", "input": "x"}}]}],
        ),
        (
            Message(role="tool", blocks=[Block(tool_result=types_pb2.ToolResultBlock(
                tool_use_id="1", blocks=[Block(text="4")]))]),
            [{"role": "tool", "tool_call_id": "1", "content": "4"}],
        ),
        (
            Message(role="tool", blocks=[Block(tool_result=types_pb2.ToolResultBlock(tool_use_id="1"))]),
            [{"role": "tool", "tool_call_id": "1", "content": ""}],
        ),
        (
            Message(role="user", blocks=[
                Block(tool_result=types_pb2.ToolResultBlock(tool_use_id="1", blocks=[Block(text="4")])),
                Block(tool_result=types_pb2.ToolResultBlock(tool_use_id="2", blocks=[Block(text="5")] * 2)),
                Block(text="and now?")]),
            [{"role": "tool", "tool_call_id": "1", "content": "4"},
             {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "5"}] * 2},
             {"role": "user", "content": "and now?"}],
        ),
    ],
)  # fmt: skip
def test_messages(message: types_pb2.Message, expected: list[Any]) -> None:
    """Blocks find their place in the flat format; several tool results become several messages."""
    assert chat.encode_request(chat_pb2.ChatRequest(model="m", messages=[message])) == {
        "model": "m",
        "messages": expected,
    }


def test_tools_and_choices() -> None:
    """The type of a tool and of a named choice is filled in."""
    request = chat_pb2.ChatRequest(
        tools=[
            types_pb2.Tool(function=types_pb2.FunctionTool(name="f", parameters_json='{"type":"object"}')),
            types_pb2.Tool(custom_json='{"name":"c"}'),
        ],
        tool_choice=types_pb2.ToolChoice(name="f"),
    )
    assert chat.encode_request(request) == {
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
            {"type": "custom", "custom": {"name": "c"}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
    }


def test_numbers_are_written_as_clients_write_them() -> None:
    """Whole doubles have no fraction; those beyond exact integers stay floats."""
    out = chat.encode_request(chat_pb2.ChatRequest(temperature=1.0, top_p=0.5, presence_penalty=1e300))
    assert repr(out) == "{'temperature': 1, 'top_p': 0.5, 'presence_penalty': 1e+300}"


def test_answers_have_what_the_format_requires() -> None:
    """object, choices, index, finish_reason, logprobs, content, refusal."""
    assert chat.encode_response(chat_pb2.ChatResponse(id="1")) == {
        "id": "1",
        "object": "chat.completion",
        "choices": [],
    }
    answer = chat_pb2.ChatResponse(choices=[chat_pb2.Choice(message=Message(blocks=[Block(text="a")]))])
    assert chat.encode_response(answer) == {
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "a", "refusal": None},
                "finish_reason": None,
                "logprobs": None,
            }
        ],
    }
    assert completions.encode_response(
        completions_pb2.CompletionResponse(choices=[completions_pb2.CompletionChoice(text="a", finish_reason="stop")])
    ) == {
        "object": "text_completion",
        "choices": [{"index": 0, "text": "a", "finish_reason": "stop", "logprobs": None}],
    }
    assert embeddings.encode_response(
        embeddings_pb2.EmbeddingResponse(data=[embeddings_pb2.Embedding(values=[1.0, -2.5])])
    ) == {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [1.0, -2.5]}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (types_pb2.TextInput(texts=["a"]), "a"),
        (types_pb2.TextInput(texts=["a", "b"]), ["a", "b"]),
        (types_pb2.TextInput(tokens=[types_pb2.TokenSequence(ids=[1, 2])]), [1, 2]),
        (types_pb2.TextInput(tokens=[types_pb2.TokenSequence(ids=[1]), types_pb2.TokenSequence(ids=[2])]), [[1], [2]]),
    ],
)
def test_inputs_without_a_form(value: types_pb2.TextInput, expected: Any) -> None:
    """The form follows from what is there."""
    assert embeddings.encode_request(embeddings_pb2.EmbeddingRequest(input=value)) == {"input": expected}


def chunk_of(**block: Any) -> chat_pb2.ChatChunk:
    delta = chat_pb2.Delta(blocks=[chat_pb2.BlockDelta(**block)])
    return chat_pb2.ChatChunk(choices=[chat_pb2.ChoiceDelta(delta=delta)])


def delta_json(renderer: ChunkRenderer, **block: Any) -> Any:
    rendered = loads(renderer.render(chunk_of(**block)))
    assert rendered["object"] == "chat.completion.chunk"
    (choice,) = rendered["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, None)
    return choice["delta"]


def test_streams_of_other_dialects() -> None:
    """Tool fragments get index and type; starts of calls are first fragments; what has no place is left out."""
    renderer = ChunkRenderer()
    assert delta_json(renderer, block=0, thinking=types_pb2.ThinkingBlock(text="t")) == {"reasoning_content": "t"}
    assert delta_json(renderer, block=0, thinking=types_pb2.ThinkingBlock(signature="s")) == {}
    assert delta_json(renderer, block=1, start=Block(text="")) == {}
    assert delta_json(renderer, block=1, text="a") == {"content": "a"}
    assert delta_json(renderer, block=1, stop=True) == {}
    assert delta_json(renderer, block=2, tool=chat_pb2.ToolDelta(id="1", name="f")) == {
        "tool_calls": [{"index": 0, "id": "1", "type": "function", "function": {"name": "f"}}]
    }
    assert delta_json(renderer, block=2, tool=chat_pb2.ToolDelta(arguments="{")) == {
        "tool_calls": [{"index": 0, "function": {"arguments": "{"}}]
    }
    assert delta_json(renderer, block=3, start=Block(tool_use=CALL)) == {"tool_calls": [CALL_JSON | {"index": 1}]}
    assert delta_json(renderer, block=3, tool=chat_pb2.ToolDelta(arguments="}")) == {
        "tool_calls": [{"index": 1, "function": {"arguments": "}"}}]
    }
    end = chat_pb2.ChatChunk(choices=[chat_pb2.ChoiceDelta(finish_reason="stop")])
    assert loads(renderer.render(end))["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    usage = chat_pb2.ChatChunk(usage=types_pb2.Usage(prompt_tokens=1, is_estimate=True))
    assert loads(renderer.render(usage)) == {
        "object": "chat.completion.chunk", "choices": [], "usage": {"prompt_tokens": 1}
    }  # fmt: skip


def test_texts_repeat_made_chunks() -> None:
    """A text event repeats a chunk however it was made; without one it is a bug of the sender."""
    renderer = ChunkRenderer()
    with pytest.raises(ValueError, match="has not exactly one text"):
        renderer.render("a")
    renderer.render(chunk_of(text="a"))
    assert loads(renderer.render('b"é'))["choices"][0]["delta"] == {"content": 'b"é'}


@pytest.mark.parametrize("extra", ["{", "[]", "5", "NaN"])
def test_extra_that_is_no_object_is_refused(extra: str) -> None:
    """Callers of gRPC can write anything there."""
    with pytest.raises(JsonInvalid, match="extra"):
        chat.encode_request(chat_pb2.ChatRequest(extra=extra))


def test_text_fields_that_are_no_json_are_refused_by_name() -> None:
    """The error names the field."""
    with pytest.raises(JsonInvalid, match="logit_bias_json: not valid JSON"):
        chat.encode_request(chat_pb2.ChatRequest(logit_bias_json="{"))


def test_extra_wins_over_typed_over_null() -> None:
    """The order of precedence when a caller says several things at once."""
    request = chat_pb2.ChatRequest(temperature=0.5, top_p=0.5, nulls=["temperature", "n"], extra='{"top_p":1.0}')
    assert repr(chat.encode_request(request)) == "{'temperature': 0.5, 'top_p': 1.0, 'n': None}"


def test_models() -> None:
    """The standard members always, the others when configured; prices in USD per million tokens."""
    full = models_pb2.Model(
        id="a/b", created=5, owned_by="acme", capabilities=["chat", "vision"], context_window=64000,
        output_max_tokens=4096,
        pricing=models_pb2.Pricing(input_usd_micros_per_million=1_200_000, output_usd_micros_per_million=5_000_000),
    )  # fmt: skip
    bare = models_pb2.Model(id="c")
    assert models.encode_list(models_pb2.ListModelsResponse(models=[full, bare])) == {
        "object": "list",
        "data": [
            {
                "id": "a/b", "object": "model", "created": 5, "owned_by": "acme", "capabilities": ["chat", "vision"],
                "context_window": 64000, "output_max_tokens": 4096,
                "pricing": {"input_per_million": 1.2, "output_per_million": 5},
            },
            {"id": "c", "object": "model", "created": 0, "owned_by": ""},
        ],
    }  # fmt: skip
