"""Requests and answers counted by the gateway."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pipeline.counting import WAITING_MAX_CHARS, Counting, counting_of
from gateway.quota.tokenizers import load
from gateway.wire.openai import chat, completions, embeddings
from tests.unit.pipeline.kits import entry_of, provider

URL = "http://127.0.0.1:9/v1"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def entry(**members: Any) -> Any:
    return entry_of({"p": provider(URL)}, **members)


async def test_characters_are_code_points_of_what_is_said() -> None:
    """Roles, names and tools say nothing; arguments and results do."""
    turns = [
        {"role": "system", "content": "be"},
        {
            "role": "user",
            "name": "ann",
            "content": [{"type": "text", "text": "héllo"}, {"type": "text", "text": "\U0001f600"}],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "wet"},
    ]
    request = chat.decode_request({"model": "m", "messages": turns, "tools": [TOOL]})
    counting = await counting_of(entry(usage_unit="characters"), request)
    assert (counting.prompt, counting.is_exact, counting.is_unit) == (2 + 5 + 1 + 2 + 3, True, True)
    counting.hear("o")
    counting.hear("k")
    usage = counting.usage()
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.is_estimate) == (13, 2, 15, False)


async def test_tokens_of_a_chat_are_counted_as_openai_does() -> None:
    """3 for each message, its role and text; 1 more and the name where there is one; 3 for the answer's head."""
    turns = [{"role": "system", "content": "hello world"}, {"role": "user", "name": "ann", "content": "hello world"}]
    counting = await counting_of(entry(tokenizer="o200k_base"), chat.decode_request({"model": "m", "messages": turns}))
    count = load("o200k_base")
    assert counting.prompt == 3 + (3 + count("system") + 2) + (3 + count("user") + 2 + count("ann") + 1)
    assert counting.is_exact
    assert not counting.is_unit


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [TOOL]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]},
    ],
)
async def test_beside_tools_and_media_it_is_an_estimate(more: Any) -> None:
    """OpenAI does not say how it counts them."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **more}
    counting = await counting_of(entry(tokenizer="cl100k_base"), chat.decode_request(body))
    assert counting.usage().is_estimate


async def test_prompts_and_inputs() -> None:
    """Texts are counted, tokens are counted already."""
    completion = completions.decode_request({"model": "m", "prompt": ["hello world", "hello world"]})
    assert (await counting_of(entry(tokenizer="o200k_base"), completion)).prompt == 4
    embedding = embeddings.decode_request({"model": "m", "input": [[1, 2, 3], [4]]})
    assert (await counting_of(entry(tokenizer="o200k_base"), embedding)).prompt == 4
    assert (await counting_of(entry(usage_unit="characters"), completion)).prompt == 22


@given(st.lists(st.sampled_from(["hello", " wor", "ld", "\n", "déjà ", "x" * 900, " ", "1234"]), max_size=300))
def test_pieces_count_as_the_whole(pieces: list[str]) -> None:
    """However the answer comes, and although long ones are not kept."""
    whole, characters = Counting(load("o200k_base"), is_unit=False), Counting(len, is_unit=True)
    for piece in pieces:
        whole.hear(piece)
        characters.hear(piece)
    text = "".join(pieces)
    assert characters.completion == len(text)
    if len(text) <= WAITING_MAX_CHARS:
        assert whole.completion == load("o200k_base")(text)
    else:
        assert abs(whole.completion - load("o200k_base")(text)) <= 2 * (len(text) // WAITING_MAX_CHARS)
    assert sum(map(len, whole._waiting)) <= WAITING_MAX_CHARS


def test_a_text_without_white_space_is_bounded_too() -> None:
    """It is cut anywhere then."""
    counting = Counting(len, is_unit=False)
    for _ in range(5):
        counting.hear("x" * WAITING_MAX_CHARS)
    assert counting.completion == 5 * WAITING_MAX_CHARS
    assert sum(map(len, counting._waiting)) <= WAITING_MAX_CHARS


async def test_off_unless_the_model_says_so() -> None:
    """Nothing is counted, loaded or looked at."""
    assert (entry().counting, entry(usage_unit="characters", tokenizer="o200k_base").counting) == ("", "characters")
