"""A request body: read within its caps, decompressed within its caps, parsed.

Rules:
    - Nothing is read past `body_max_bytes`; a declared length above it is refused before the first byte.
    - A compressed body may not grow past `body_max_bytes`, nor past `RATIO_MAX` times its size once it is over 1 MiB.
    - Every byte read or gained by decompression is told to the request's `Hold`, which may refuse it.
    - Only gzip and deflate, once; only JSON in UTF-8.

Not here: what the members mean (gateway.wire.openai).
"""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

from aiohttp import web

from gateway.core.errors import GatewayError, Kind
from gateway.frontend.bodies import Hold
from gateway.frontend.settings import Http
from gateway.wire import json

RATIO_MAX = 100
RATIO_FREE_BYTES = 1024 * 1024
_CODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


async def read_json(request: web.BaseRequest, http: Http, hold: Hold) -> tuple[dict[str, Any], int]:
    """The body as a JSON object, and its size in bytes as received; GatewayError for anything else."""
    headers = request.headers
    check_type(headers.get("content-type"))
    raw = await read(request, http, hold)
    coding = headers.get("content-encoding")
    if coding is None or (coding := coding.strip().lower()) in {"identity", ""}:
        return parse(raw, http), len(raw)
    data = decompress(raw, coding, http.body_max_bytes)
    hold.take(max(0, len(data) - len(raw)))
    return parse(data, http), len(raw)


def check_type(content_type: str | None) -> None:
    """Refuse what says it is not JSON in UTF-8; a missing type is taken for JSON."""
    if content_type is None or content_type == "application/json":
        return
    kind, _, parameters = content_type.lower().partition(";")
    kind = kind.strip()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise GatewayError(
            Kind.UNSUPPORTED_MEDIA_TYPE,
            f"The content type {kind[:100]!r} is not supported here; send JSON with 'Content-Type: application/json'.",
        )
    charset = parameters.partition("charset=")[2].partition(";")[0].strip().strip('"')
    if charset not in {"", "utf-8", "utf8", "us-ascii"}:
        raise GatewayError(
            Kind.UNSUPPORTED_MEDIA_TYPE, f"The charset {charset[:40]!r} is not supported; send JSON in UTF-8."
        )


async def read(request: web.BaseRequest, http: Http, hold: Hold) -> bytes:
    """The body as sent; REQUEST_TOO_LARGE, OVERLOADED, REQUEST_TIMEOUT or INVALID_REQUEST (framing) otherwise."""
    headers = request.headers
    announced_bytes = int(headers.get("content-length") or 0)
    if announced_bytes > http.body_max_bytes:
        raise _too_large(http.body_max_bytes)
    hold.announce(announced_bytes)
    content = request.content
    try:
        if content.is_eof():
            data = content.read_nowait(-1)
            hold.take(len(data))
        else:
            if headers.get("expect", "").lower() == "100-continue" and request.transport is not None:
                request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            async with asyncio.timeout(http.body_timeout_s):
                data = await _read_pieces(request, http.body_max_bytes, hold)
    except TimeoutError:
        raise GatewayError(
            Kind.REQUEST_TIMEOUT, f"The request body did not arrive within {http.body_timeout_s:g} s."
        ) from None
    except web.RequestPayloadError:
        raise GatewayError(Kind.INVALID_REQUEST, "The request body is broken: its chunks are malformed.") from None
    if len(data) > http.body_max_bytes:
        raise _too_large(http.body_max_bytes)
    return data


async def _read_pieces(request: web.BaseRequest, size_max_bytes: int, hold: Hold) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := await request.content.readany():
        pieces.append(piece)
        size += len(piece)
        if size > size_max_bytes:
            raise _too_large(size_max_bytes)
        hold.take(len(piece))
    return b"".join(pieces)


def decompress(raw: bytes, coding: str, size_max_bytes: int) -> bytes:
    """`raw` without its content coding; GatewayError for unknown codings, broken data and bombs."""
    wbits = _CODINGS.get(coding)
    if wbits is None:
        raise GatewayError(
            Kind.UNSUPPORTED_MEDIA_TYPE,
            f"The content encoding {coding[:100]!r} is not supported; send gzip, deflate or no encoding.",
        )
    if coding == "deflate" and raw[:1] and raw[0] & 0x0F != 8:
        wbits = -15  # raw deflate without the zlib wrapper, which several clients send
    cap = min(size_max_bytes, max(RATIO_FREE_BYTES, len(raw) * RATIO_MAX))
    stream = zlib.decompressobj(wbits)
    try:
        data = stream.decompress(raw, cap + 1)
    except zlib.error:
        raise GatewayError(Kind.INVALID_REQUEST, f"The request body is not valid {coding} data.") from None
    if len(data) > cap:
        if cap == size_max_bytes:
            raise _too_large(size_max_bytes)
        raise GatewayError(
            Kind.REQUEST_TOO_LARGE,
            f"The request body grows by more than a factor of {RATIO_MAX} when decompressed; send it uncompressed.",
        )
    if not stream.eof or stream.unused_data:
        raise GatewayError(Kind.INVALID_REQUEST, f"The {coding} request body is cut off or has bytes after its end.")
    return data


def parse(data: bytes, http: Http) -> dict[str, Any]:
    """The JSON object in `data`; INVALID_REQUEST with the position of the mistake."""
    if not data:
        raise GatewayError(Kind.INVALID_REQUEST, "The request body is empty; send a JSON object.")
    try:
        value = json.loads(data, depth_max=http.json_max_depth)
    except json.JsonInvalid as invalid:
        raise GatewayError(Kind.INVALID_REQUEST, f"The request body is not valid JSON: {invalid}.") from None
    if not isinstance(value, dict):
        raise GatewayError(Kind.INVALID_REQUEST, f"The request body must be a JSON object, not {_kind_name(value)}.")
    return value


def _kind_name(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "a number"


def _too_large(size_max_bytes: int) -> GatewayError:
    return GatewayError(
        Kind.REQUEST_TOO_LARGE,
        f"The request body is larger than the limit of {size_max_bytes} bytes (http.body_max_bytes).",
    )
