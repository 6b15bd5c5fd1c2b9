"""What every dialect does to a request on its way out: configured parameters, URL, headers; and how it is refused.

Rules:
    - Configuration changes a body in this order: dropped, renamed, forced.
    - Headers of the configuration win over ours; the credential is among them.
    - Where a request goes is the configuration's: a model's name is one part of a path, whatever it is.
Not here:
    - The body itself (the dialects); sockets (transport).
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlencode

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError, Kind
from gateway.wire.json import JsonInvalid

OPENAI_PATH: Final = "/chat/completions"


def configured(body: dict[str, Any], deployment: Deployment) -> dict[str, Any]:
    """The body with the configuration's drops, renames and forced parameters applied."""
    if deployment.drop:
        for name in deployment.drop:
            body.pop(name, None)
    if deployment.rename:
        for old, new in deployment.rename.items():
            if old in body:
                body[new] = body.pop(old)
    if deployment.force:
        body.update(deployment.force)
    return body


def url_of(deployment: Deployment, path: str, model: str) -> str:
    """The URL of a path; `{model}` in it is the upstream model, quoted.

    Raises GatewayError INVALID_REQUEST for a model that would be a step in the path: callers may name it.
    """
    query = "?" + urlencode(deployment.query) if deployment.query else ""
    if "{model}" in path:
        if model in {".", ".."}:
            raise GatewayError(Kind.INVALID_REQUEST, "`model` is no name of a model.", param="model")
        path = path.replace("{model}", quote(model, safe=""))
    return deployment.base_url + path + query


def chat_path(deployment: Deployment, own: str) -> str:
    """The path of chats: the format's own, unless the configuration names another than OpenAI's, its default."""
    path = deployment.paths["chat"]
    return own if path == OPENAI_PATH else path


def not_json(error: JsonInvalid) -> GatewayError:
    """INVALID_REQUEST: a body cannot be made of what the request holds as JSON."""
    text = f"A member `..._json` of the request does not hold JSON: {error}"
    return GatewayError(Kind.INVALID_REQUEST, text)


def lacking(deployment: Deployment, what: str, param: str = "model") -> GatewayError:
    """UNSUPPORTED_PARAMETER: the provider's format has no place for such a call; `what` says what it has."""
    text = f"The provider `{deployment.provider}` speaks a format that {what}."
    return GatewayError(Kind.UNSUPPORTED_PARAMETER, text, param=param)


def headers_of(deployment: Deployment, *, is_stream: bool, **more: str) -> dict[str, str]:
    """The headers of a request with a JSON body; underscores in the names of `more` stand for hyphens."""
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if is_stream else "application/json",
        "accept-encoding": "identity" if is_stream else "gzip, deflate",
        "user-agent": "one-gateway",
    }
    for name, value in more.items():
        headers[name.replace("_", "-")] = value
    headers.update(deployment.headers)
    return headers
