"""Azure's paths and bodies; everything else is tested where OpenAI's is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import Kind
from gateway.providers.azure_dialect import classify, encode
from gateway.providers.registry import DIALECTS, FORMATS
from gateway.rpc.contract import CHAT, COMPLETE, EMBED, STREAM_CHAT, Method
from gateway.wire.openai import chat
from gateway.wire.pb import chat_pb2, completions_pb2, embeddings_pb2
from tests.unit.pipeline.kits import deployment_of

ROOT = "https://r.openai.azure.com"
VERSION = "?api-version=2024-10-21"
CANDIDATE: Any = {"upstream_model": "d/1"}


@pytest.mark.parametrize(
    ("base_url", "more", "expected"),
    [
        (ROOT, {}, f"{ROOT}/openai/deployments/d%2F1/chat/completions{VERSION}"),
        (f"{ROOT}/openai", {}, f"{ROOT}/openai/deployments/d%2F1/chat/completions{VERSION}"),
        (f"{ROOT}/openai/v1", {}, f"{ROOT}/openai/v1/chat/completions"),
        (f"{ROOT}/openai/v1/", {"query": {"api-version": "x"}}, f"{ROOT}/openai/v1/chat/completions?api-version=x"),
        (ROOT, {"query": {"api-version": "x"}}, f"{ROOT}/openai/deployments/d%2F1/chat/completions?api-version=x"),
        (ROOT, {"query": {"a": "b"}}, f"{ROOT}/openai/deployments/d%2F1/chat/completions?a=b&api-version=2024-10-21"),
        (ROOT, {"paths": {"chat": "/chat/{model}"}}, f"{ROOT}/chat/d%2F1{VERSION}"),
    ],
)  # fmt: skip
def test_paths(base_url: str, more: dict[str, Any], expected: str) -> None:
    """A deployment's path, the newer API's, or the configured one; a version where it is needed."""
    request = chat_pb2.ChatRequest(model="m")
    made = encode(CHAT, request, deployment_of(base_url, candidate=CANDIDATE, **more), "m")
    assert made.url == expected


@pytest.mark.parametrize(
    ("method", "request_", "path"),
    [
        (COMPLETE, completions_pb2.CompletionRequest(), "completions"),
        (EMBED, embeddings_pb2.EmbeddingRequest(), "embeddings"),
    ],
)
def test_other_methods(method: Method, request_: Any, path: str) -> None:
    """Each on its own path."""
    made = encode(method, request_, deployment_of(ROOT), "m")
    assert made.url == f"{ROOT}/openai/deployments/m/{path}{VERSION}"


def test_the_body_is_the_clients() -> None:
    """But for the model, which the path names, and what makes it a stream."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "x_unknown": [None, 1.0], "user": None}
    request = chat.decode_request(body)
    sent = json.loads(encode(CHAT, request, deployment_of(ROOT), "m").body)
    assert sent == {name: value for name, value in body.items() if name != "model"}
    streamed = json.loads(encode(STREAM_CHAT, request, deployment_of(f"{ROOT}/openai/v1"), "m").body)
    assert streamed == {**body, "stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize("code", [None, "400", "content_filter", "BadRequest"])
def test_a_violated_policy(code: str | None) -> None:
    """Its code inside decides, whatever stands outside."""
    error = {"code": code, "message": "m", "innererror": {"code": "ResponsibleAIPolicyViolation"}}
    assert classify(400, {}, json.dumps({"error": error}).encode()).kind is Kind.CONTENT_FILTERED


def test_whole_answers_pass_to_clients_of_openais_format() -> None:
    """Every dialect has such a format, which is its own for all others."""
    assert FORMATS.keys() == DIALECTS.keys()
    assert {name: form for name, form in FORMATS.items() if name != form} == {"azure": "openai"}
