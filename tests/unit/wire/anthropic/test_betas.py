"""What a client opts into beside its body."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from gateway.wire.anthropic import chat
from gateway.wire.anthropic.betas import WORDS_MAX, taken_betas, with_betas
from gateway.wire.openai import chat as openai_chat

HI = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], None),
        (["a-1, b-2", "c.3"], ["a-1", "b-2", "c.3"]),
        (["a b", "ü", "", "x\r\ny", "ok"], ["ok"]),
        ([",".join(f"w{n}" for n in range(100))], [f"w{n}" for n in range(WORDS_MAX)]),
    ],
)
def test_a_header_becomes_a_member(values: list[str], words: list[str] | None) -> None:
    """Word by word; what is no word is left out."""
    assert with_betas({"model": "m"}, values).get("anthropic_beta") == words


@pytest.mark.parametrize(
    ("member", "configured", "header"),
    [
        (None, "", ""),
        (None, "a,b", "a,b"),
        (["b", "c", 1, "x\r\ny"], "a,b", "a,b,c"),
        (["c"], "", "c"),
        ("c", "", ""),
    ],
)
def test_a_member_becomes_a_header(member: Any, configured: str, header: str) -> None:
    """After the words of the configuration, each once; the body does not keep it."""
    body = {"model": "m"} if member is None else {"model": "m", "anthropic_beta": member}
    assert taken_betas(body, configured) == header
    assert body == {"model": "m"}


def test_other_formats_do_not_hear_of_it() -> None:
    """Opt-ins and the care of long contexts change no answer; a user too long for OpenAI is told apart by a digest."""
    user = "x" * 65
    edits = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    given = {"model": "m", "max_tokens": 9, "messages": HI, "anthropic_beta": ["a"], "context_management": edits,
             "metadata": {"user_id": user}}  # fmt: skip
    unsupported: list[str] = []
    body = openai_chat.encode_request(chat.decode_request(given), unsupported)
    assert unsupported == []
    assert body == {"model": "m", "messages": HI, "max_tokens": 9, "user": hashlib.sha256(user.encode()).hexdigest()}
    assert chat.encode_request(chat.decode_request(given)) == given
