"""Paths inside become those of a Responses client: the item of `input` a turn was made of, and names of members."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.responses.items import read_input
from gateway.wire.responses.names import outline, own_path

PART = {"type": "input_text", "text": "x"}
ITEMS: list[Any] = [
    {"role": "user", "content": "a"},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}] * 2},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": [PART, PART]},
    {"role": "system", "content": [PART, PART]},
    {"type": "web_search_call", "id": "w"},
    {"role": "assistant", "content": "d"},
    {"role": "user", "content": [PART, PART]},
]


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("messages[0].content[0]", "input[0].content"),
        ("messages[0]", "input[0]"),
        ("messages[1].content[0]", "input[1]"),
        ("messages[1].content[1]", "input[2].content[0]"),
        ("messages[1].content[2]", "input[2].content[1]"),
        ("messages[1].content[3]", "input[3]"),
        ("messages[2].content[0].content[1]", "input[4].output"),
        ("messages[3].content[1]", "input[5].content[1]"),
        ("messages[4].content[0]", "input[6]"),
        ("messages[4].content[1]", "input[7].content"),
        ("messages[5].content[1]", "input[8].content[1]"),
        ("messages[5].content", "input[8].content"),
        ("messages[99].content[1]", "input"),
        ("messages[-1].content[0]", "instructions"),
        ("messages", "input"),
        ("response_format", "text.format"),
        ("reasoning_effort", "reasoning.effort"),
        ("max_completion_tokens", "max_output_tokens"),
        ("tools[2].function.strict", "tools[2].strict"),
        ("tools[2]", "tools[2]"),
        ("temperature", "temperature"),
        ("input[3].call_id", "input[3].call_id"),
    ],
)
def test_a_path(path: str, own: str) -> None:
    """Each as the client wrote it."""
    assert own_path(path, outline(ITEMS)) == own


def test_an_outline_joins_items_as_turns_are_joined() -> None:
    """Every block of every turn is found in an item, in the order of the items."""
    turns = read_input(ITEMS)
    paths = [f"messages[{at}].content[{n}]" for at, turn in enumerate(turns) for n in range(len(turn.blocks))]
    places = [int(own_path(path, outline(ITEMS)).split("[")[1].partition("]")[0]) for path in paths]
    assert places == sorted(places)
    assert set(places) == set(range(len(ITEMS)))


def test_a_text_or_a_continued_answer_has_no_numbers() -> None:
    """What was continued is ahead of the client's own items, which are not counted from there."""
    assert own_path("messages[0].content[0]", outline("hello")) == "input"
    assert own_path("messages[0].content[0]", outline(ITEMS), is_continued=True) == "input"
