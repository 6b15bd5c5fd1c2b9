"""OpenAI's wire format as Azure OpenAI serves it: a path per deployment, a version of the API, errors of its filters.

Rules:
    - On deployment paths the URL names the model and the body does not; the query has `api-version`, GA_VERSION unless
      `query` names another. A `base_url` that ends in /openai/v1 is Azure's newer API: OpenAI's own paths and bodies.
    - All else is the family's: a client of OpenAI's format gets bodies, filter results and answers as they came.
Source: Azure OpenAI REST API 2024-10-21, and its v1 API.
Not here:
    - Bodies, answers and streams (openai_family); what an error means (openai_errors).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.providers.openai_errors import classify
from gateway.providers.openai_family import PATHS, body_of, decode_reply, stream_decoder, usage_of_reply
from gateway.providers.outgoing import configured, headers_of, url_of
from gateway.providers.upstream import UpstreamRequest
from gateway.rpc.contract import Method
from gateway.wire import json

__all__ = ["NAME", "classify", "decode_reply", "encode", "stream_decoder", "usage_of_reply"]

NAME: Final = "azure"
GA_VERSION: Final = "2024-10-21"
V1: Final = "/openai/v1"
_OPENAI_PATHS = {"chat": "/chat/completions", "completions": "/completions", "embeddings": "/embeddings"}


def encode(method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
    """The HTTP request for a call; `model` is the name the client sent, and of the deployment if none is configured."""
    unsupported: list[str] = []
    body = body_of(method, request, deployment, unsupported)
    name = deployment.upstream_model or model
    path = _path(deployment, PATHS[method.name])
    body.pop("model", None)
    if "{model}" not in path:
        body["model"] = name
    return UpstreamRequest(
        url=_versioned(url_of(deployment, path, name), deployment),
        headers=headers_of(deployment, is_stream=method.is_stream),
        body=json.dumps(configured(body, deployment)),
        is_stream=method.is_stream,
        unsupported=tuple(unsupported),
    )


def _path(deployment: Deployment, operation: str) -> str:
    """The configured path; where it is OpenAI's, Azure's own."""
    path = deployment.paths[operation]
    if path != _OPENAI_PATHS[operation] or deployment.base_url.endswith(V1):
        return path
    start = "" if deployment.base_url.endswith("/openai") else "/openai"
    return f"{start}/deployments/{{model}}{path}"


def _versioned(url: str, deployment: Deployment) -> str:
    if "api-version" in deployment.query or deployment.base_url.endswith(V1):
        return url
    return f"{url}{'&' if deployment.query else '?'}{urlencode({'api-version': GA_VERSION})}"
