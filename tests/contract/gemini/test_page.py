"""docs/dialects.md says of Gemini what the code does: its tables are read and tried out, row by row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gateway.wire.foreign import EFFORT_BUDGETS
from gateway.wire.gemini import chat, errors, outcome, schema
from gateway.wire.openai import chat as openai_chat

PAGE = (Path(__file__).parents[3] / "docs/dialects.md").read_text("utf-8")
EXAMPLES: dict[str, Any] = {
    "n": 2, "max_tokens": 3, "max_completion_tokens": 3, "top_k": 4, "seed": 5, "top_logprobs": 2, "stop": "x",
    "logprobs": True, "response_format": {"type": "json_object"}, "reasoning_effort": "low", "modalities": ["audio"],
    "thinking": {"type": "enabled", "budget_tokens": 9}, "safety_settings": [], "cached_content": "c",
    "parallel_tool_calls": False, "logit_bias": {"1": 1}, "audio": {"voice": "v"}, "verbosity": "low",
    "prediction": {"type": "content", "content": "x"}, "moderation": {},
}  # fmt: skip
TOOL = {"type": "function", "function": {"name": "f"}}


def block(name: str) -> str:
    """The text between the marks of a checked part."""
    found = re.search(rf"<!-- checked: {name} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert found, name
    return found.group(1)


def rows(name: str) -> list[list[str]]:
    """The cells of a checked table."""
    lines = [line.strip("|").split("|") for line in block(name).splitlines()[2:]]
    return [[cell.strip().strip("`") for cell in cells] for cells in lines]


def test_each_setting_goes_where_the_page_says() -> None:
    """Each row is sent through the codec; refused ones are named by it."""
    for member, place in rows("settings"):
        unsupported: list[str] = []
        asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": [TOOL]}
        request = openai_chat.decode_request({**asked, member: EXAMPLES.get(member, 0.5)})
        body: Any = chat.encode_request(request, unsupported)
        assert unsupported == ([member] if place == "refused" else []), member
        for step in place.split(".") if place != "refused" else ():
            assert step in body, (member, place)
            body = body[step]


def test_every_setting_of_a_chat_is_on_the_page() -> None:
    """A member with a typed field is in a table or in the list of what is left out."""
    missing = [name for name in openai_chat.REQUEST.names if f"`{name.removesuffix('_json')}`" not in PAGE]
    assert set(missing) <= {"model", "is_stop_string", "stream"}, missing


def test_status_words() -> None:
    """Each status has the word the page says."""
    assert {int(status): word for status, word in rows("words")} == errors.STATUS_WORDS


def test_finish_reasons_and_budgets() -> None:
    """The tables are the code's, in its order."""
    assert dict(rows("finish")) == outcome.FINISH
    assert {effort: int(budget) for effort, budget in rows("budgets")} == {"none": 0, **EFFORT_BUDGETS}


def test_members_of_a_schema() -> None:
    """What is copied as it is."""
    everything = dict.fromkeys(re.findall(r"`(\w+)`", block("schema")), 1)
    assert schema.to_gemini(everything) == everything
    assert schema.to_gemini({"default": 1, "multipleOf": 2}) == {}
