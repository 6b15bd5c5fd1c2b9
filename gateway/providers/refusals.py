"""What a provider's answer means that is no success: one table of statuses for every dialect.

Rules:
    - A status has one kind, whoever sent it. A dialect's own words (codes, types, names) come first where they say
      more; the words of a message never count.
    - Refusals that depend on neither load nor time are not tried again at the same deployment (PROVIDER_REFUSED).
    - Messages are ours; of the provider's, only what it says about the caller's request is passed on.
Not here:
    - Where the words stand in a body (the dialects); what is tried next (core.errors, pipeline.attempts).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from gateway.core.errors import GatewayError, Kind
from gateway.providers.upstream import TEXT_MAX_CHARS, retry_after_s, sendable

KINDS: Final[Mapping[int, Kind]] = {
    400: Kind.INVALID_REQUEST,
    401: Kind.PROVIDER_AUTH,
    402: Kind.PROVIDER_AUTH,
    403: Kind.PROVIDER_AUTH,
    404: Kind.MODEL_NOT_FOUND,
    408: Kind.PROVIDER_TIMEOUT,
    410: Kind.MODEL_NOT_FOUND,
    413: Kind.REQUEST_TOO_LARGE,
    415: Kind.INVALID_REQUEST,
    422: Kind.INVALID_REQUEST,
    424: Kind.PROVIDER_ERROR,
    425: Kind.PROVIDER_ERROR,
    429: Kind.PROVIDER_RATE_LIMITED,
    499: Kind.PROVIDER_ERROR,
    501: Kind.PROVIDER_REFUSED,
    504: Kind.PROVIDER_TIMEOUT,
}
"""HTTP status -> kind; of others, 4xx are PROVIDER_REFUSED, the rest PROVIDER_ERROR."""

PASSED_ON: Final = frozenset((500, 502, 503, 529))
"""Statuses of a PROVIDER_ERROR that a client gets as they are."""

_SAYS_WORDS: Final = frozenset(
    (Kind.INVALID_REQUEST, Kind.REQUEST_TOO_LARGE, Kind.CONTEXT_LENGTH_EXCEEDED, Kind.CONTENT_FILTERED,
     Kind.UNSUPPORTED_PARAMETER)
)  # fmt: skip
_TEXTS: Final = {
    Kind.PROVIDER_AUTH: "The provider refused the gateway's own credentials or account.",
    Kind.MODEL_NOT_FOUND: "The provider does not know this model. Check `upstream_model` of its candidate.",
    Kind.PROVIDER_RATE_LIMITED: "The provider's rate limit is reached.",
}


def kind_of(status: int) -> Kind:
    """The kind of failure a status is."""
    return KINDS.get(status) or (Kind.PROVIDER_REFUSED if 400 <= status < 500 else Kind.PROVIDER_ERROR)  # HTTP's 4xx


def refusal(
    status: int,
    headers: Mapping[str, str],
    *,
    words: str = "",
    cause: str = "",
    kind: Kind | None = None,
    wait_s: float | None = None,
    param: str | None = None,
    code: str | None = None,
) -> GatewayError:
    """The failure an answer with this status is.

    `words` are the provider's message; `kind` is what its own code means, over the status; `wait_s` is a wait its body
    names, over the headers; `param` and `code` are passed on with a refused request.
    """
    found = kind_of(status) if kind is None else kind
    is_request = found in _SAYS_WORDS
    if wait_s is None and not is_request:
        wait_s = retry_after_s(headers, time.time())
    return GatewayError(
        found,
        _text(found, status, words),
        param="model" if found is Kind.MODEL_NOT_FOUND else param if is_request else None,
        code=code if found is Kind.INVALID_REQUEST else None,
        retry_after_s=wait_s if found in (Kind.PROVIDER_RATE_LIMITED, Kind.PROVIDER_ERROR) else None,
        http_status=status if found is Kind.PROVIDER_ERROR and status in PASSED_ON else None,
        cause=cause or f"HTTP {status}",
    )


def _text(kind: Kind, status: int, words: str) -> str:
    if kind in _SAYS_WORDS:
        return f"The provider refused the request: {sendable(words or 'no reason given', TEXT_MAX_CHARS)}"
    if kind is Kind.PROVIDER_TIMEOUT:
        return f"The provider answered {status}: it timed out."
    if kind is Kind.PROVIDER_REFUSED:
        return f"The provider answered HTTP {status}, which another try does not change. Check `base_url` and `paths`."
    if status == 529:  # an HTTP status
        return "The provider is overloaded."
    return _TEXTS.get(kind) or f"The provider answered HTTP {status}."
