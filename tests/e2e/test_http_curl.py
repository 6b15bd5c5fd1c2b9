"""curl against the HTTP edge: what a person at a shell sees."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import Tail
from tests.unit.frontend.harness import CHAT_BODY, chat_response, chunk, frontend

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


async def curl(*arguments: str) -> tuple[int, bytes]:
    """Exit code and output of curl."""
    process = await asyncio.create_subprocess_exec(
        "curl",
        "-sS",
        "--noproxy",
        "*",
        "--max-time",
        "20",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output


async def test_json_flag() -> None:
    """`curl --json` gets an answer."""
    async with frontend() as front:
        code, output = await curl("--json", json.dumps(CHAT_BODY), f"{front.url}/v1/chat/completions")
    assert code == 0
    assert json.loads(output)["object"] == "chat.completion"


async def test_forgotten_content_type_is_explained() -> None:
    """`curl -d` without a content type is told which one to send."""
    async with frontend() as front:
        _, output = await curl("-d", json.dumps(CHAT_BODY), f"{front.url}/v1/chat/completions")
    assert "Content-Type: application/json" in json.loads(output)["error"]["message"]


async def test_large_body_after_expectation(tmp_path) -> None:
    """A body above 1 MiB, for which curl waits for 100-continue, arrives whole; one above the limit is refused."""
    body = tmp_path / "body.json"
    body.write_text(json.dumps({**CHAT_BODY, "user": "u" * 3_000_000}))
    arguments = ("-H", "content-type: application/json", "-H", "expect: 100-continue", "-d", f"@{body}")
    async with frontend() as front:
        code, _ = await curl(*arguments, f"{front.url}/v1/chat/completions")
        assert code == 0
        assert len(front.toy.calls[0][1].user) == 3_000_000
    async with frontend(http={"body_max_bytes": 100_000}) as front:
        code, output = await curl(*arguments, "-w", "%{http_code}", f"{front.url}/v1/chat/completions")
        assert code == 0
        assert output.endswith(b"413")


async def test_large_answer_arrives_whole() -> None:
    """A large answer to a reader that keeps up is not cut."""

    async def script(method, request, context):
        yield [chat_response("x" * 30_000_000)]
        yield Tail({})

    async with frontend(script) as front:
        code, output = await curl("--json", json.dumps(CHAT_BODY), f"{front.url}/v1/chat/completions")
    assert code == 0
    assert len(json.loads(output)["choices"][0]["message"]["content"]) == 30_000_000


async def test_cut_stream_is_an_error_for_curl() -> None:
    """A failed stream is a failed transfer (exit code 18), so that a script without any JSON notices."""

    async def script(method, request, context):
        yield [chunk("Hel")]
        raise GatewayError(Kind.STREAM_CUT, "Cut.")

    async with frontend(script) as front:
        code, output = await curl(
            "-N", "--json", json.dumps({**CHAT_BODY, "stream": True}), f"{front.url}/v1/chat/completions"
        )
    assert code == 18
    assert b'"stream_cut"' in output
    assert b"[DONE]" not in output
