"""Legacy text completions as chats: what is asked, what is named, and the answer read back, whole and streamed."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.wire import prompted
from gateway.wire.anthropic import chat as anthropic
from gateway.wire.json import dumps, loads
from gateway.wire.openai import chat, completions
from gateway.wire.openai.chunks import ChunkDecoder
from gateway.wire.pb import completions_pb2, types_pb2

BODY: dict[str, Any] = {"model": "m", "prompt": "once upon"}
SAME: dict[str, Any] = {
    "temperature": 0.5, "top_p": 0.9, "n": 2, "presence_penalty": 1, "frequency_penalty": -1, "logit_bias": {"1": 2},
    "seed": 7, "user": "u", "stop": ["a", "b"], "stream": True, "stream_options": {"include_usage": True},
}  # fmt: skip


def asked(**members: Any) -> tuple[dict[str, Any], list[str]]:
    """The body of the chat a completion becomes, and what was named; the request itself stays as it is."""
    request = completions.decode_request({**BODY, **members})
    before = request.SerializeToString(deterministic=True)
    unsupported: list[str] = []
    made = prompted.as_chat(request, unsupported)
    assert request.SerializeToString(deterministic=True) == before
    return chat.encode_request(made), unsupported


def test_the_prompt_is_the_turn_of_the_user() -> None:
    """Settings chats have, too, are the same there."""
    turn = {"role": "user", "content": "once upon"}
    assert asked(**SAME, max_tokens=5) == ({"model": "m", "messages": [turn], "max_completion_tokens": 5, **SAME}, [])
    assert asked(stop="a", prompt=["once upon"]) == ({"model": "m", "messages": [turn], "stop": "a"}, [])


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"suffix": "end"}, ["suffix"]),
        ({"logprobs": 0}, ["logprobs"]),
        ({"best_of": 2}, ["best_of"]),
        ({"best_of": 3, "n": 2}, ["best_of"]),
        ({"max_tokens": 0}, ["max_tokens"]),
        ({"messages": [{"role": "user", "content": "hidden"}]}, ["messages"]),
        ({"max_completion_tokens": 9000}, ["max_completion_tokens"]),
        ({"temperature": "hot"}, ["temperature"]),
    ],
)
def test_what_chats_have_not_is_named(members: dict[str, Any], named: list[str]) -> None:
    """And not sent: no member of the completion becomes one of the chat by its name."""
    body, unsupported = asked(**members)
    assert unsupported == named
    assert set(body) <= {"model", "messages", "n"}
    assert len(body["messages"]) == 1


@pytest.mark.parametrize(
    "members",
    [{"suffix": None}, {"suffix": ""}, {"logprobs": None}, {"best_of": 1}, {"best_of": 2, "n": 2}, {"echo": True},
     {"stop": []}, {"stop": None}, {"x_odd": None}],
)  # fmt: skip
def test_what_asks_for_nothing_is_not_named(members: dict[str, Any]) -> None:
    """It may be left out."""
    assert asked(**members)[1] == []


@pytest.mark.parametrize("prompt", [["a", "b"], [1, 2], [[1], [2]], [[1]]])
def test_only_one_text_is_a_prompt(prompt: Any) -> None:
    """Several are several calls, and ids are words of one model only."""
    assert prompted.prompt_of(completions.decode_request({**BODY, "prompt": prompt})) is None


def test_a_prompt_of_both_kinds_is_none() -> None:
    """Only a gRPC caller can write it."""
    both = types_pb2.TextInput(texts=["a"], tokens=[types_pb2.TokenSequence(ids=[1])])
    assert prompted.prompt_of(completions_pb2.CompletionRequest(prompt=both)) is None


def message(content: str | None, **members: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **members}


def answer(*choices: dict[str, Any], echo: str = "") -> dict[str, Any]:
    """What a client of completions gets of a chat's whole answer."""
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    told = {"id": "chatcmpl-9", "object": "chat.completion", "created": 1, "model": "up", "usage": usage}
    numbered = [{"index": index, "finish_reason": "stop", **choice} for index, choice in enumerate(choices)]
    response = chat.decode_response({**told, "choices": numbered})
    return completions.encode_response(prompted.answered(response, echo))


def test_a_whole_answer() -> None:
    """The text of each choice, its end, and the same counts."""
    told = answer({"message": message("a time")}, {"message": message("a mouse"), "finish_reason": "length"})
    assert told == {
        "id": "cmpl-9", "object": "text_completion", "created": 1, "model": "up",
        "choices": [
            {"index": 0, "text": "a time", "finish_reason": "stop", "logprobs": None},
            {"index": 1, "text": "a mouse", "finish_reason": "length", "logprobs": None},
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }  # fmt: skip


def test_echo_is_before_each_text() -> None:
    """As where completions are native."""
    told = answer({"message": message(" a time")}, {"message": message(None)}, echo="once upon")
    assert [choice["text"] for choice in told["choices"]] == ["once upon a time", "once upon"]


def test_what_is_no_text() -> None:
    """A refusal is told in its words, thinking is not told, and an end by a call is an end."""
    refused = {"message": message(None, refusal="no")}
    thought = {"message": message("yes", reasoning_content="hm"), "finish_reason": "tool_calls"}
    told = answer(refused, thought)["choices"]
    assert [(choice["text"], choice["finish_reason"]) for choice in told] == [("no", "stop"), ("yes", "stop")]


def test_an_answer_of_another_format_leaves_nothing_behind() -> None:
    """Members only that format's clients can read are not told."""
    usage = {"input_tokens": 3, "output_tokens": 2, "server_tool_use": {"web_search_requests": 1}}
    content = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "yes"}]
    body = {"id": "msg_1", "type": "message", "content": content, "stop_reason": "end_turn", "usage": usage}
    told = completions.encode_response(prompted.answered(anthropic.decode_response(body), ""))
    assert (told["id"], told["choices"][0]["text"]) == ("msg_1", "yes")
    assert "server_tool_use" not in str(told)


def chunk(*choices: dict[str, Any], **members: Any) -> bytes:
    told = {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1, "model": "up", **members}
    return dumps({**told, "choices": [{"index": 0, "finish_reason": None, **each} for each in choices]})


def streamed(*frames: bytes, echo: str = "") -> list[dict[str, Any]]:
    """What a client of completions gets of a chat's stream."""
    decoder, texts, renderer = ChunkDecoder(), prompted.Texts(echo), completions.CompletionChunkRenderer()
    made = [made for frame in frames for made in texts.events(decoder.decode(frame))]
    return [loads(renderer.render(each)) for each in [*made, *texts.released()]]


STREAM = (
    chunk({"delta": {"role": "assistant", "content": ""}}),
    chunk({"delta": {"reasoning_content": "the "}}),
    chunk({"delta": {"reasoning_content": "end"}}),
    *(chunk({"delta": {"content": word}}) for word in ("a ", "long ", "time")),
    chunk({"delta": {}, "finish_reason": "stop"}),
    chunk(usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}),
)


@pytest.mark.parametrize(("echo", "text"), [("", "a long time"), ("once upon ", "once upon a long time")])
def test_a_stream(echo: str, text: str) -> None:
    """Its text in pieces, without the thinking; one end; the counts where the chat's chunks tell them."""
    chunks = streamed(*STREAM, echo=echo)
    choices = [choice for each in chunks for choice in each["choices"]]
    assert {(each["id"], each["object"], each["model"]) for each in chunks} == {("cmpl-9", "text_completion", "up")}
    assert "".join(choice["text"] for choice in choices) == text
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]
    assert [each["usage"]["total_tokens"] for each in chunks if each.get("usage")] == [5]


def test_a_stream_of_several_choices() -> None:
    """Each begins with what is echoed, once."""
    words = ("a", "b", "c")
    frames = [chunk(*({"index": index, "delta": {"content": word}} for index in (0, 1))) for word in words]
    choices = [choice for each in streamed(*frames, echo="> ") for choice in each["choices"]]
    texts = ["".join(choice["text"] for choice in choices if choice["index"] == index) for index in (0, 1)]
    assert texts == ["> abc", "> abc"]


def test_pieces_of_what_is_not_told_are_not_told() -> None:
    """A short form repeats its chunk: that of thinking or of a call is none of a text."""
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    frames = [chunk({"delta": {"tool_calls": [call]}})]
    frames += [
        chunk({"delta": {"tool_calls": [{"index": 0, "function": {"arguments": words}}]}}) for words in ("{", "}")
    ]
    assert streamed(*frames, *STREAM[1:3]) == []
