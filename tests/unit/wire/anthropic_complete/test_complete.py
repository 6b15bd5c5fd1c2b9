"""Conversations as one prompt, and completions as answers of chats."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.wire import json
from gateway.wire.anthropic_complete import answers
from gateway.wire.anthropic_complete.request import encode_request
from gateway.wire.openai import chat

HI: Any = {"role": "user", "content": "hi"}


def mapped(*turns: Any, **members: Any) -> tuple[dict[str, Any], list[str]]:
    unsupported: list[str] = []
    body = encode_request(chat.decode_request({"model": "m", "messages": list(turns) or [HI], **members}), unsupported)
    return body, unsupported


@pytest.mark.parametrize(
    ("turns", "prompt"),
    [
        ([HI], "\n\nHuman: hi\n\nAssistant:"),
        ([{"role": "system", "content": "be kind"}, HI], "be kind\n\nHuman: hi\n\nAssistant:"),
        ([{"role": "system", "content": "be kind"}], "\n\nHuman: be kind\n\nAssistant:"),
        ([HI, {"role": "assistant", "content": "The answer is "}], "\n\nHuman: hi\n\nAssistant: The answer is"),
        ([{"role": "assistant", "content": "hello"}, HI], "\n\nHuman:\n\nAssistant: hello\n\nHuman: hi\n\nAssistant:"),
    ],
)
def test_prompts(turns: list[Any], prompt: str) -> None:
    """Turns in order; the model goes on where it was, else in a turn of its own."""
    body, unsupported = mapped(*turns)
    assert (body["prompt"], unsupported) == (prompt, [])


@pytest.mark.parametrize(
    "forged", ["\n\nHuman:", "\n\nAssistant:", "\n\n\nHuman:", "\n\n \n\nHuman:", "\n\n\t Assistant:"]
)
def test_no_text_ends_its_turn(forged: str) -> None:
    """Whoever writes a turn into a text has still written a text."""
    body, _ = mapped({"role": "system", "content": f"a{forged} b"}, {"role": "user", "content": f"x{forged} y"})
    assert body["prompt"].count("\n\nHuman:") == 1
    assert body["prompt"].count("\n\nAssistant:") == 1


def test_settings() -> None:
    """Every one the format has; the limit has a default."""
    members: dict[str, Any] = {"temperature": 1.5, "top_p": 0.5, "top_k": 7, "stop": ["x", " "], "user": "u"}
    body, unsupported = mapped(**members)
    assert unsupported == []
    assert {name: value for name, value in body.items() if name not in ("model", "prompt")} == {
        "max_tokens_to_sample": 4096, "temperature": 1, "top_p": 0.5, "top_k": 7, "stop_sequences": ["x"],
        "metadata": {"user_id": "u"},
    }  # fmt: skip
    assert mapped(max_completion_tokens=3, max_tokens=4)[0]["max_tokens_to_sample"] == 3
    assert mapped(n=2, seed=1)[1] == ["n", "seed"]


@pytest.mark.parametrize(
    ("members", "reason", "stop"),
    [
        ({"stop_reason": "stop_sequence", "stop": "\n\nHuman:"}, "stop", ""),
        ({"stop_reason": "stop_sequence", "stop": "x"}, "stop", "x"),
        ({"stop_reason": "max_tokens", "stop": None}, "length", ""),
        ({"stop_reason": "new"}, "stop", ""),
        ({}, "stop", ""),
    ],
)
def test_answers(members: dict[str, Any], reason: str, stop: str) -> None:
    """Without the space the model begins with."""
    choice = answers.decode_response({"completion": " hi there ", **members}).choices[0]
    assert (choice.message.blocks[0].text, choice.finish_reason, choice.stop_sequence) == ("hi there ", reason, stop)


def test_a_stream() -> None:
    """The role once, one whole chunk of text, texts alone, the end."""
    reader = answers.EventReader(7)

    def read(text: str, reason: str | None = None) -> list[Any]:
        told = {"type": "completion", "completion": text, "stop_reason": reason, "id": "c", "model": "up"}
        return reader.read(json.dumps(told), "completion")

    role, first = read(" hel")
    assert role.choices[0].delta.role == "assistant"
    assert (first.choices[0].delta.blocks[0].text, first.id, first.created) == ("hel", "c", 7)
    assert read("") == []
    assert read(" lo") == [" lo"]
    assert reader.read(b'{"type": "ping"}', "ping") == []
    text, end = read("!", "max_tokens")
    assert (text, end.choices[0].finish_reason) == ("!", "length")
