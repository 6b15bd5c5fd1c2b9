"""PaLM's bodies and answers, and what becomes of what they have no place for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.wire.openai import chat, completions
from gateway.wire.palm import answers, request
from gateway.wire.spoken import NOTHING

PAGE = Path(__file__).parents[4] / "docs/dialects.md"
SECTION = PAGE.read_text("utf-8").partition("\n## Older formats\n")[2].partition("\n## ")[0]
HI: Any = {"role": "user", "content": "hi"}


def mapped(*turns: Any, is_vertex: bool = False, **members: Any) -> tuple[dict[str, Any], list[str]]:
    unsupported: list[str] = []
    asked = chat.decode_request({"model": "m", "messages": list(turns) or [HI], **members})
    return request.encode_request(asked, unsupported, is_vertex=is_vertex), unsupported


def test_every_setting() -> None:
    """Those the format has, under its names; temperature ends at 1."""
    members: dict[str, Any] = {"temperature": 1.5, "top_p": 0.5, "top_k": 7, "n": 2}
    body, unsupported = mapped(**members)
    assert unsupported == []
    sampling = {"temperature": 1, "topP": 0.5, "topK": 7, "candidateCount": 2}
    assert {name: value for name, value in body.items() if name != "prompt"} == sampling
    limits: dict[str, Any] = {"max_completion_tokens": 9, "max_tokens": 5, "stop": ["x"]}
    body, unsupported = mapped(is_vertex=True, **members, **limits)
    assert unsupported == []
    assert body["parameters"] == {**sampling, "maxOutputTokens": 9, "stopSequences": ["x"]}


def test_what_has_no_place_is_named() -> None:
    """The developers' API has no limit and no stop texts; neither has anything that is no text."""
    members: dict[str, Any] = {
        "max_tokens": 5, "stop": ["x"], "seed": 1, "tools": [{"type": "function", "function": {"name": "f"}}],
        "response_format": {"type": "json_object"}, "reasoning_effort": "low", "x_unknown": 1, "frequency_penalty": 1,
        "modalities": ["audio"],
    }  # fmt: skip
    _, unsupported = mapped(**members)
    assert sorted(unsupported) == sorted(members)
    _, unsupported = mapped(reasoning_effort="none", frequency_penalty=0, response_format={"type": "text"}, user="u")
    assert unsupported == []


def test_speakers_take_turns() -> None:
    """Neighbours are one message, instructions the context; alone they are the user's."""
    body, _ = mapped(HI, HI, {"role": "developer", "content": "be kind"}, {"role": "assistant", "content": "yes"}, HI)
    assert body["prompt"]["context"] == "be kind"
    assert [(turn["author"], turn["content"]) for turn in body["prompt"]["messages"]] == [
        ("0", "hi\n\nhi"), ("1", "yes"), ("0", "hi")
    ]  # fmt: skip
    body, _ = mapped({"role": "system", "content": "be kind"})
    assert body["prompt"] == {"messages": [{"author": "0", "content": "be kind"}]}


def test_a_completion() -> None:
    """One text; several prompts, or tokens, have no place."""
    unsupported: list[str] = []
    asked = completions.decode_request({"model": "m", "prompt": "a", "max_tokens": 5, "stop": "x", "echo": False})
    body = request.encode_completion(asked, unsupported, is_vertex=False)
    assert body == {"prompt": {"text": "a"}, "maxOutputTokens": 5, "stopSequences": ["x"]}
    assert unsupported == []
    for prompt in (["a", "b"], [1, 2]):
        asked = completions.decode_request({"model": "m", "prompt": prompt, "suffix": "s", "best_of": 2})
        request.encode_completion(asked, unsupported, is_vertex=True)
    assert unsupported == ["best_of", "suffix", "prompt"] * 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"candidates": [{"author": "1", "content": "a"}, {"content": "b"}]}, [("a", "stop"), ("b", "stop")]),
        ({"candidates": [{"output": "a"}]}, [("a", "stop")]),
        ({"messages": [], "filters": [{"reason": "SAFETY"}]}, [("", "content_filter")]),
        ({"candidates": [], "filters": [{"reason": "OTHER"}]}, [("", "content_filter")]),
        ({"predictions": [{"candidates": [{"content": "a"}]}]}, [("a", "stop")]),
        ({"predictions": [{"content": "a", "safetyAttributes": {"blocked": False}}]}, [("a", "stop")]),
        (
            {"predictions": [{"candidates": [{"content": ""}], "safetyAttributes": [{"blocked": True}]}]},
            [("", "content_filter")],
        ),
    ],
)
def test_answers(answer: dict[str, Any], said: list[tuple[str, str]]) -> None:
    """Each candidate is a choice; what was filtered says so."""
    candidates = answers.candidates_of(answer)
    assert candidates is not None
    response = answers.decode_response(candidates, answer)
    found = [("".join(block.text for block in c.message.blocks), c.finish_reason) for c in response.choices]
    assert found == said
    completion = answers.decode_completion(candidates, answer)
    assert [(choice.text, choice.finish_reason) for choice in completion.choices] == said


@pytest.mark.parametrize("answer", [{}, {"candidates": 1}, {"candidates": ["a"]}, {"predictions": {}}])
def test_what_is_no_answer(answer: dict[str, Any]) -> None:
    """Nothing is made of it."""
    assert answers.candidates_of(answer) is None


def test_the_page_names_what_only_some_have() -> None:
    """The settings of the table are those the code says."""
    for name in sorted(request.HAS_ON_VERTEX):
        assert f"`{name}`" in SECTION, name
    assert all(f"`{name.removesuffix('_json')}`" in SECTION for name in NOTHING), "named as not supported"


def test_counts_that_no_sum_can_hold_are_left_out() -> None:
    """A provider that counts nonsense breaks no answer."""
    huge = {"totalTokens": 2**62}
    answer = {
        "predictions": [{"content": "a"}],
        "metadata": {"tokenMetadata": {"inputTokenCount": huge, "outputTokenCount": huge}},
    }
    candidates = answers.candidates_of(answer)
    assert candidates is not None
    assert answers.decode_response(candidates, answer).usage.total_tokens == 0
