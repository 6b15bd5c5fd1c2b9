"""What is reserved before anybody counted."""

from __future__ import annotations

import pytest

from gateway.pipeline.shape import survey
from gateway.quota.estimate import MEDIA_TOKENS, MESSAGE_TOKENS, OUTPUT_DEFAULT_TOKENS, output_tokens, tokens_of_text
from gateway.wire.openai import chat, completions, embeddings


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (4000, 1000)])
def test_four_characters_are_a_token_rounded_up(size: int, tokens: int) -> None:
    """The rule of thumb."""
    assert tokens_of_text(size) == tokens


@pytest.mark.parametrize(
    ("members", "tokens"),
    [
        ({}, OUTPUT_DEFAULT_TOKENS),
        ({"max_tokens": 10}, 10),
        ({"max_completion_tokens": 20, "max_tokens": 10}, 20),
        ({"max_tokens": 10, "n": 3}, 30),
        ({"n": 2}, 2 * OUTPUT_DEFAULT_TOKENS),
    ],
)
def test_the_answer_is_reserved_as_allowed_for_each_choice(members: dict[str, int], tokens: int) -> None:
    """What the caller allows, times `n`."""
    assert output_tokens(chat.decode_request({"model": "m", "messages": [], **members})) == tokens


def test_embeddings_have_no_answer_to_reserve() -> None:
    """Only their input counts; token ids count one each."""
    request = embeddings.decode_request({"model": "m", "input": [[1, 2, 3], [4]]})
    shape = survey(request)
    assert (shape.prompt_tokens, shape.output_tokens) == (4, 0)


def test_text_messages_and_media_count() -> None:
    """A message costs a little, text by its length, an image a flat amount, tools by their schema."""
    text = {"role": "user", "content": "x" * 40}
    picture = {
        "role": "user",
        "content": [
            {"type": "text", "text": "x" * 8},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}},
        ],
    }
    tool = {"type": "function", "function": {"name": "f", "description": "d" * 8, "parameters": {}}}
    shape = survey(chat.decode_request({"model": "m", "messages": [text, picture], "tools": [tool]}))
    assert shape.prompt_tokens == 2 * MESSAGE_TOKENS + 10 + 2 + MEDIA_TOKENS + tokens_of_text(8 + 2)


def test_completion_prompts_count_all_their_texts() -> None:
    """A list of prompts is the sum, and each may have an answer as long as is allowed."""
    shape = survey(completions.decode_request({"model": "m", "prompt": ["x" * 4, "x" * 5], "max_tokens": 7}))
    assert (shape.prompt_tokens, shape.output_tokens) == (3, 14)


@pytest.mark.parametrize(
    ("members", "tokens"),
    [({"best_of": 5}, 50), ({"best_of": 5, "n": 2}, 50), ({"n": 3}, 30), ({"prompt": [[1, 2], [3]], "best_of": 2}, 40)],
)
def test_all_answers_that_are_made_are_reserved(members: dict[str, object], tokens: int) -> None:
    """A provider makes and bills `best_of` answers for each prompt, however many it returns."""
    request = completions.decode_request({"model": "m", "prompt": "x", "max_tokens": 10, **members})
    assert output_tokens(request) == tokens
