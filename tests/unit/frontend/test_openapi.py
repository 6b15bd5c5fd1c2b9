"""The OpenAPI document is valid, complete, and true of what the edge answers."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.core.errors import TABLE, Fault
from gateway.core.hops import LOOP_STATUS
from gateway.frontend import accounts, gemini, openapi
from gateway.frontend.kept import CANCEL, ITEMS, ONE
from tests.unit.frontend.harness import CHAT_BODY, frontend, post, split

PARTS = {"parts": [{"text": "hi"}]}
GEMINI_BODY = {"contents": [{"role": "user", **PARTS}]}


def validator(name: str) -> Draft202012Validator:
    """A validator of one schema of the document."""
    document = openapi.document()
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": document["components"]})


def test_document_is_valid() -> None:
    """The document is OpenAPI 3.1 by the official schema, its references resolve."""
    document: Any = json.loads(openapi.document_bytes())
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


async def test_every_route_is_described_and_every_description_is_a_route() -> None:
    """The paths and methods of the document are those of the edge."""

    async def metrics() -> bytes:
        return b"# none\n"

    described = {(row.method.upper(), row.path) for row in openapi.OPERATIONS}
    async with frontend(metrics=metrics) as front:
        routes = {
            (method, path)
            for path, methods in front.running.edge._routes.items()
            for method in methods
            if method != "HEAD"
        }
        for method, path in described:
            path = path.replace("{id}", "m-1").replace("{model}", "m-1").replace("{group}", "g")
            status, _, _ = split(await front.raw(post(path, b"", method=method)))
            assert status not in (404, 405)
    kept = {("GET", ONE), ("DELETE", ONE), ("GET", ITEMS), ("POST", CANCEL)}
    google = {
        ("GET", gemini.MODELS),
        ("GET", gemini.MODEL),
        *(("POST", path) for path in gemini.METHOD_ROUTES.values()),
    }
    people = {(row.method, row.path) for row in accounts.ROWS}
    assert described == routes | {("GET", "/v1/models/{id}")} | kept | google | people


def test_statuses_of_the_table_are_described() -> None:
    """Each status a call can fail with is among the answers of a chat, apart from what only the edge or 499 says."""
    chat = openapi.document()["paths"]["/v1/chat/completions"]["post"]["responses"]
    statuses = {str(row.http_status) for row in TABLE.values() if row.fault is not Fault.CALLER} | {str(LOOP_STATUS)}
    assert statuses <= chat.keys()


@pytest.mark.parametrize(
    ("method", "path", "body", "schema"),
    [
        ("POST", "/v1/chat/completions", CHAT_BODY, "ChatResponse"),
        ("POST", "/v1/completions", {"model": "m-1", "prompt": "x"}, "Completion"),
        ("POST", "/v1/embeddings", {"model": "e-1", "input": "x"}, "EmbeddingResponse"),
        ("GET", "/v1/models", None, "ModelList"),
        ("GET", "/v1/models/m-1", None, "Model"),
        ("POST", "/v1beta/models/m-1:generateContent", GEMINI_BODY, "GeminiResponse"),
        ("POST", "/v1beta/models/m-1:streamGenerateContent", GEMINI_BODY, "GeminiResponses"),
        ("POST", "/v1beta/models/m-1:embedContent", {"content": PARTS}, "GeminiEmbedding"),
        ("POST", "/v1beta/models/m-1:batchEmbedContents", {"requests": [{"content": PARTS}]}, "GeminiEmbeddings"),
        ("GET", "/v1beta/models", None, "GeminiModelList"),
        ("GET", "/v1beta/models/m-1", None, "GeminiModel"),
        ("GET", "/v1beta/nope", None, "GeminiError"),
        ("GET", "/", None, "FrontPage"),
        ("GET", "/health", None, "Health"),
        ("GET", "/readyz", None, "Ready"),
        ("GET", "/nope", None, "Error"),
        ("POST", "/v1/models", {}, "Error"),
    ],
)
async def test_answers_fit_their_schemas(method: str, path: str, body: object, schema: str) -> None:
    """What is really answered is what the document promises."""
    async with (
        frontend() as front,
        aiohttp.ClientSession(front.url) as session,
        session.request(method, path, json=body) as answer,
    ):
        document = await answer.json()
    validator(schema).validate(document)


async def test_chunks_fit_their_schemas() -> None:
    """Each event of a stream is a chunk of the document."""
    async with frontend() as front:
        for path, schema in (("/v1/chat/completions", "ChatChunk"), ("/v1/completions", "Completion")):
            body = {**CHAT_BODY, "prompt": "x", "stream": True}
            _, _, answer = split(await front.raw(post(path, body)))
            events = [frame.removeprefix(b"data: ") for frame in answer.split(b"\n\n")[:-2]]
            assert events
            for event in events:
                validator(schema).validate(json.loads(event))


async def test_served_document_is_the_document() -> None:
    """/openapi.json is the rendered document."""
    async with frontend() as front:
        status, headers, body = split(await front.raw(post("/openapi.json", b"", method="GET")))
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == openapi.document()
