"""The unmodified Google Gen AI SDKs for Node and Python against the HTTP edge, over a scripted service.

Not here: its answers from every upstream format (test_sdk_matrix).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import CallContext, Head, Item, Method, Tail
from tests.unit.frontend.harness import answers, chunk, frontend

JS = Path(__file__).resolve().parents[1] / "js"
PROGRAM = """
import { ApiError, GoogleGenAI } from "@google/genai";
const clientOf = (apiVersion) =>
  new GoogleGenAI({ apiKey: "gw-1.s", apiVersion, httpOptions: { baseUrl: process.env.BASE_URL, timeout: 20000 } });
const out = { versions: [], seen: [] };
for (const version of [undefined, "v1", "v1beta", "v1alpha"]) {
  const { models } = clientOf(version);
  const answer = await models.generateContent({ model: "m-1", contents: "hi" });
  const listed = [];
  for await (const model of await models.list()) listed.push(model.name);
  const one = await models.get({ model: "m-1" });
  out.versions.push([answer.text, listed, one.name]);
}
const { models } = clientOf();
const fails = async (model, isStream) => {
  let text = "";
  try {
    if (!isStream) await models.generateContent({ model, contents: "hi" });
    else
      for await (const frame of await models.generateContentStream({ model, contents: "hi" })) text += frame.text ?? "";
  } catch (error) {
    return { isApi: error instanceof ApiError, status: error.status ?? null, message: error.message, text };
  }
  return { text };
};
for (const [name, model, isStream] of JSON.parse(process.env.CALLS)) out[name] = await fails(model, isStream);
console.log(JSON.stringify(out));
"""
CALLS = [
    ("limited", "limited", False),
    ("limited_stream", "limited", True),
    ("missing", "missing", False),
    ("quiet", "quiet", True),
    ("error", "error", True),
    ("cut", "cut", True),
]


async def script(method: Method, request: Any, context: CallContext) -> AsyncGenerator[Item, None]:
    """Fails by model name, else answers."""
    name = getattr(request, "model", "")
    if name == "limited":
        raise GatewayError(Kind.RATE_LIMITED, "Wait.", retry_after_s=1)
    if name == "missing":
        raise GatewayError(Kind.MODEL_NOT_FOUND, "No such model.")
    if name in ("quiet", "error", "cut"):
        yield Head({})
        yield [chunk("Hel")]
        await asyncio.sleep(0.3)
        if name == "error":
            raise GatewayError(Kind.PROVIDER_ERROR, "The provider broke.")
        if name == "cut":
            return
        yield ["lo"]
        yield Tail({})
        return
    async for item in answers(method, request, context):
        yield item


async def test_node_sdk() -> None:
    """Answers and models under every version; refusals and broken streams are its errors, quiet streams are whole."""
    assert (JS / "node_modules/@google/genai").is_dir(), "run `npm --prefix tests/js ci`, as scripts/test does"
    async with frontend(script, http={"stream_ping_s": 0.05}) as front:
        process = await asyncio.create_subprocess_exec(
            str(shutil.which("node")),
            "--input-type=module",
            "-e",
            PROGRAM,
            cwd=JS,
            env={"BASE_URL": front.url, "CALLS": json.dumps(CALLS), "PATH": os.environ["PATH"]},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, complaints = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, complaints.decode()
    out = json.loads(output)
    assert out["versions"] == [["Hello.", ["models/m-1", "models/e-1"], "models/m-1"]] * 4
    for name, status in (("limited", 429), ("limited_stream", 429), ("missing", 404)):
        assert (out[name]["isApi"], out[name]["status"]) == (True, status)
    assert out["quiet"] == {"text": "Hello"}
    assert (out["error"]["isApi"], out["error"]["status"], out["error"]["text"]) == (True, 502, "Hel")
    assert "The provider broke." in out["error"]["message"]
    assert (out["cut"]["isApi"], out["cut"]["text"]) == (True, "Hel")


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_python_sdk(version: str) -> None:
    """A quiet stream is whole, a broken one is not, and no retry hides a refusal."""
    async with frontend(script, http={"stream_ping_s": 0.05}) as front:
        once = types.HttpRetryOptions(attempts=1)
        options = types.HttpOptions(base_url=front.url, api_version=version, timeout=20_000, retry_options=once)
        async with genai.Client(api_key="gw-1.s", http_options=options).aio as client:
            stream = await client.models.generate_content_stream(model="quiet", contents="hi")
            assert [frame.text async for frame in stream] == ["Hel", "lo"]
            for broken in ("error", "cut"):
                stream = await client.models.generate_content_stream(model=broken, contents="hi")
                assert (await anext(stream)).text == "Hel"
                with pytest.raises(Exception, match=r"."):
                    _ = [frame async for frame in stream if frame.candidates]
            with pytest.raises(errors.ClientError) as caught:
                await client.models.generate_content(model="limited", contents="hi")
    assert (caught.value.code, caught.value.status, caught.value.message) == (429, "RESOURCE_EXHAUSTED", "Wait.")


async def test_python_sdk_of_vertex() -> None:
    """The SDK's other mode has other paths for the same methods."""
    async with frontend(script) as front:
        options = types.HttpOptions(base_url=front.url, timeout=20_000)
        async with genai.Client(vertexai=True, api_key="gw-1.s", http_options=options).aio as client:
            answer = await client.models.generate_content(model="m-1", contents="hi")
            stream = await client.models.generate_content_stream(model="m-1", contents="hi")
            assert "".join([frame.text or "" async for frame in stream]) == answer.text == "Hello."
        requests = [(request.model, context.credential) for _, request, context in front.toy.calls]
        paths = {seen.route for seen in await front.observed(2)}
    assert requests == [("m-1", "gw-1.s")] * 2
    assert paths == {f"/v1beta/models/{{model}}:{name}" for name in ("generateContent", "streamGenerateContent")}
