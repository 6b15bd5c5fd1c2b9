"""Scripts: which turn a conversation gets, in every format, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.simulator.answer import Question, Tool, answer
from gateway.simulator.behaviour import Behaviour
from gateway.simulator.script import BadScript, Scripts, Turn, count_results, read_turns
from gateway.simulator.server import Running, serve

READ = Turn(calls=(("read", '{"path":"a"}'),))


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({}, 0),
        ({"messages": [{"role": "user", "content": "x"}]}, 0),
        ({"messages": [{"role": "tool", "content": "1"}, {"role": "user"}, {"role": "tool", "content": "2"}]}, 2),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}, {"type": "tool_result"}]}]}, 2),
        ({"messages": [{"role": "user", "content": [{"toolResult": {}}, {"text": "x"}]}]}, 1),
        ({"contents": [{"parts": [{"functionResponse": {}}, {"function_response": {}}]}, "x"]}, 2),
        ({"input": [{"type": "function_call_output"}, {"type": "custom_tool_call_output"}, {"type": "message"}]}, 2),
        ({"input": "x"}, 0),
    ],
)
def test_results_are_counted(body: dict[str, Any], count: int) -> None:
    """Wherever a format puts them."""
    assert count_results(body) == count


def test_only_offered_tools_are_called() -> None:
    """A turn with no offered tool is its text."""
    said = answer(Question("x", 1, tools=(Tool("read", {}),)), Behaviour(turn=READ))
    assert ([(tool.name, arguments) for tool, arguments in said.calls], said.finish) == (
        [("read", '{"path":"a"}')], "tool_calls")  # fmt: skip
    said = answer(Question("x", 1), Behaviour(turn=Turn("no\n  tools", READ.calls)))
    assert (said.text, said.calls, said.finish) == ("no\n  tools", (), "stop")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"turns": []}', b'{"turns": [1]}', b'{"turns": [{"calls": [{}]}]}']
)
def test_no_script(body: bytes) -> None:
    """Is refused when it is handed in."""
    with pytest.raises(BadScript):
        read_turns(body)


def test_names() -> None:
    """Letters and digits, and only so many."""
    scripts = Scripts()
    for name in ("", "a-b", "é"):
        with pytest.raises(BadScript):
            scripts.put(name, b'{"turns": [{}]}')
    for number in range(64):
        scripts.put(f"s{number}", b'{"turns": [{}]}')
    with pytest.raises(BadScript):
        scripts.put("more", b'{"turns": [{}]}')
    scripts.put("s1", b'{"turns": [{"text": "again"}]}')
    assert scripts.turn("s1", {}) == Turn("again")


@pytest.fixture(scope="module")
async def simulator() -> AsyncIterator[Running]:
    running = await serve()
    yield running
    await running.stop()


async def test_over_http(simulator: Running) -> None:
    """Handed in, played turn by turn, the last one repeated; an unknown name is an unknown model."""
    tool = {"type": "function", "function": {"name": "read", "parameters": {}}}
    script = {"turns": [{"calls": [{"name": "read", "arguments": {"path": "a"}}]}, {"text": "Done."}]}
    async with aiohttp.ClientSession(simulator.url) as session:

        async def said(model: str, results: int) -> Any:
            messages = [{"role": "user", "content": "go"}] + [{"role": "tool", "content": "x"}] * results
            body = {"model": model, "messages": messages, "tools": [tool]}
            async with session.post("/v1/chat/completions", json=body) as response:
                return response.status, await response.json()

        assert (await said("sim-script-edit", 0))[0] == 404  # an HTTP status
        async with session.put("/_sim/scripts/edit", json=script) as response:
            assert response.status == 200, await response.text()
        async with session.put("/_sim/scripts/edit", data=b"{") as response:
            assert response.status == 400  # an HTTP status
        _, first = await said("sim-script-edit", 0)
        assert first["choices"][0]["message"]["tool_calls"][0]["function"] == {
            "name": "read", "arguments": '{"path":"a"}'}  # fmt: skip
        for results in (1, 2):
            assert (await said("sim-script-edit", results))[1]["choices"][0]["message"]["content"] == "Done."
