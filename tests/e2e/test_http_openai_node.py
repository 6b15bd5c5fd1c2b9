"""The unmodified official Node SDK against the HTTP edge, over a scripted service."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from gateway.core.errors import GatewayError, Kind
from tests.unit.frontend.harness import answers, chunk, frontend

JS = Path(__file__).resolve().parents[1] / "js"
NODE = shutil.which("node")
PROGRAM = """
import OpenAI from "openai";
const client = new OpenAI({baseURL: process.env.BASE_URL, apiKey: "gw-1.s", maxRetries: 0});
const messages = [{role: "user", content: "hi"}];
const out = {texts: []};
const fails = async (model, stream) => {
  try {
    const answer = await client.chat.completions.create({model, messages, stream});
    if (stream) for await (const event of answer) out.before = event.choices[0].delta.content;
    return null;
  } catch (error) {
    return {name: error.constructor.name, status: error.status ?? null, code: error.code, message: error.message};
  }
};
out.chat = (await client.chat.completions.create({model: "m-1", messages})).choices[0].message.content;
for await (const event of await client.chat.completions.create({model: "m-1", messages, stream: true}))
  out.texts.push(event.choices[0].delta.content);
const vectors = await client.embeddings.create({model: "e-1", input: "x", encoding_format: "float"});
out.embedding = vectors.data[0].embedding;
out.models = (await client.models.list()).data.map((model) => model.id);
out.limited = await fails("limited", false);
out.missing = await fails("missing", true);
out.cut = await fails("cut", true);
console.log(JSON.stringify(out));
"""


async def script(method, request, context):
    """Fails by model name, else answers."""
    if request.DESCRIPTOR.fields_by_name.get("model") and request.model == "limited":
        raise GatewayError(Kind.RATE_LIMITED, "Wait.", retry_after_s=1)
    if request.DESCRIPTOR.fields_by_name.get("model") and request.model == "missing":
        raise GatewayError(Kind.MODEL_NOT_FOUND, "No such model.")
    if request.DESCRIPTOR.fields_by_name.get("model") and request.model == "cut":
        yield [chunk("Hel")]
        raise GatewayError(Kind.STREAM_CUT, "The stream was cut.")
    async for item in answers(method, request, context):
        yield item


@pytest.mark.skipif(
    NODE is None or not (JS / "node_modules/openai").exists(), reason="node or its openai package is not installed"
)
async def test_node_sdk() -> None:
    """Chat, streams, embeddings and models parse; failures are the SDK's exceptions, also in the middle of a stream."""
    async with frontend(script) as front:
        process = await asyncio.create_subprocess_exec(
            str(NODE),
            "--input-type=module",
            "-e",
            PROGRAM,
            cwd=JS,
            env={"BASE_URL": f"{front.url}/v1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    out = json.loads(output)
    assert out["chat"] == "Hello."
    assert out["texts"] == ["Hel", "lo", "."]
    assert out["embedding"] == [0.5, -1]
    assert out["models"] == ["m-1", "e-1"]
    assert (out["limited"]["name"], out["limited"]["status"]) == ("RateLimitError", 429)
    assert (out["missing"]["name"], out["missing"]["code"]) == ("NotFoundError", "model_not_found")
    assert out["before"] == "Hel"
    assert out["cut"]["name"] == "APIError"
    assert "cut" in out["cut"]["message"]
