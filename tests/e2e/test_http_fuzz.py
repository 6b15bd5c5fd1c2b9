"""Bodies of any shape through the whole gateway: answered or refused, never a failure of the gateway itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.wire import json
from tests.support.single import InProcess, single
from tests.support.strategies import json_values

JSON = json_values(width=3, leaves=8)
MEMBERS = st.sampled_from(
    [
        *(
            "messages",
            "stream",
            "stream_options",
            "tools",
            "tool_choice",
            "stop",
            "temperature",
            "n",
            "prompt",
            "input",
        ),
        *("logit_bias", "logprobs", "max_tokens", "metadata", "response_format", "parallel_tool_calls", "dimensions"),
        *("modalities", "audio", "seed", "user", "echo", "best_of", "suffix", "encoding_format"),
    ]
)
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "input_audio", "file", "refusal", "odd"])},
    optional={"text": JSON, "image_url": JSON, "input_audio": JSON, "file": JSON, "refusal": JSON},
)
CALLS = st.dictionaries(st.sampled_from(["id", "type", "function", "custom", "index"]), JSON, max_size=4)
MESSAGES = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "system", "tool", "odd"]),
        "content": JSON | st.lists(PARTS, max_size=3),
    },
    optional={"tool_calls": st.lists(CALLS, max_size=2) | JSON, "name": JSON, "tool_call_id": JSON, "refusal": JSON},
)
BODIES = st.builds(
    lambda members, messages, model: {**members, "messages": messages, "model": model},
    st.dictionaries(MEMBERS | st.text(max_size=4), JSON, max_size=6),
    st.lists(MESSAGES, max_size=3) | JSON,
    st.just("gpt-4o-mini") | JSON,
)
PATHS = st.sampled_from(["/v1/chat/completions", "/v1/completions", "/v1/embeddings"])


@pytest.fixture(scope="module")
async def whole() -> AsyncIterator[InProcess]:
    """A gateway with its simulator in this process."""
    async with single() as running:
        yield running


async def ask(whole: InProcess, path: str, body: object) -> tuple[int, str]:
    """Status and text of an answer."""
    headers = {"authorization": f"Bearer {whole.key}", "content-type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{whole.url}{path}", data=json.dumps(body), headers=headers) as answer,
    ):
        return answer.status, await answer.text()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(PATHS, BODIES)
async def test_no_body_makes_the_gateway_fail(whole: InProcess, path: str, body: dict[str, object]) -> None:
    """Whatever JSON comes, the answer is a success or says what is wrong with the request."""
    status, text = await ask(whole, path, body)
    assert status in (200, 400, 404, 413, 429), text
    assert "internal_error" not in text


@pytest.mark.parametrize(
    "member", ["stream", "stream_options", "temperature", "parallel_tool_calls", "response_format"]
)
async def test_member_of_another_endpoint_is_not_a_bug(whole: InProcess, member: str) -> None:
    """A member that an endpoint does not know is kept, whatever it holds."""
    status, text = await ask(whole, "/v1/embeddings", {"model": "gpt-4o-mini", "input": "x", member: "odd"})
    assert status < 500, text
