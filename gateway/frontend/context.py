"""Request headers to what belongs to a call: credential, request id, deadline, trace, peer.

Rules:
    - Pure: headers in, a `CallContext` out, or a `GatewayError` that names the header.
    - The credential is carried, not judged; no credential is the empty string.
    - No request header reaches a call beyond the fields of `CallContext`; of its `headers` only hops and those that
      are configured (`http.call_headers`), cut to `CALL_HEADER_MAX_CHARS`.

Not here: who the caller is and what it may do (the service).
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import parse_qs

from multidict import CIMultiDictProxy

from gateway.core import freshness, hops
from gateway.core.errors import GatewayError, Kind
from gateway.frontend.settings import Http, Profile
from gateway.rpc.contract import CallContext

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
KEY_MAX_CHARS = 4096
PARAMETERS_MAX = 100
CALL_HEADER_MAX_CHARS = 256
_TIMEOUT_MAX_S = 86_400.0
_TOKEN_DOTS = 2  # of a JWT
_ids = random.Random()  # its own state: whoever seeds the module's must not repeat request ids


def request_id(headers: Mapping[str, str], *, is_trusted: bool) -> str:
    """The client's `x-request-id` if it is trusted and well-formed, else `req_` and 32 hex digits."""
    given = headers.get("x-request-id") if is_trusted else None
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return "req_" + _ids.getrandbits(128).to_bytes(16, "big").hex()


def credential(headers: CIMultiDictProxy[str], profile: Profile) -> str:
    """The key as presented by one of the profile's carriers; empty when there is none.

    Raises GatewayError: INVALID_REQUEST for several `authorization` headers, INVALID_KEY for a value that no key has.
    """
    for carrier in profile.key_carriers:
        found = _CARRIERS[carrier](headers) if carrier in _CARRIERS else headers.get(carrier, "")
        if found:
            if not _is_key_like(found):
                raise GatewayError(
                    Kind.INVALID_KEY, "The API key holds characters no key has. Send it as 'Authorization: Bearer KEY'."
                )
            return found
    return ""


def _is_key_like(found: str) -> bool:
    """Whether it is visible ASCII without spaces, and not too long."""
    return found.isascii() and found.isprintable() and " " not in found and len(found) <= KEY_MAX_CHARS


def check_form(found: str, profile: Profile) -> None:
    """Whether the profile takes credentials that look like this one. Raises GatewayError INVALID_KEY."""
    is_token = found.startswith("eyJ") and found.count(".") == _TOKEN_DOTS
    has_prefix = not profile.key_prefixes or found.startswith(profile.key_prefixes)
    is_taken = profile.has_sessions if is_token else has_prefix
    if found and not is_taken:
        wanted = " or ".join(f"`{prefix}`" for prefix in profile.key_prefixes)
        begins = f" Keys begin with {wanted}." if wanted else ""
        raise GatewayError(Kind.INVALID_KEY, f"Incorrect API key provided.{begins}")


def _bearer(headers: CIMultiDictProxy[str]) -> str:
    values = headers.getall("authorization", ())
    if not values:
        return ""
    if len(values) > 1:
        raise GatewayError(Kind.INVALID_REQUEST, "Several Authorization headers were sent; send one.")
    scheme, _, key = values[0].partition(" ")
    return key.strip(" ") if scheme.lower() == "bearer" else ""


def _bare(headers: CIMultiDictProxy[str]) -> str:
    """A key that is all of `authorization`; with a scheme before it, it is not bare."""
    value = headers.get("authorization", "").strip(" ")
    return "" if " " in value or value.lower() == "bearer" else value


_CARRIERS = {"bearer": _bearer, "bare": _bare}


def query_of(raw_path: str) -> dict[str, str]:
    """The last value of each parameter of a request target. Raises GatewayError for too many of them."""
    try:
        found = parse_qs(raw_path.partition("?")[2], keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError:
        raise GatewayError(Kind.INVALID_REQUEST, f"The URL has more than {PARAMETERS_MAX} parameters.") from None
    return {name: values[-1] for name, values in found.items()}


def query_credential(raw_path: str, name: str) -> str:
    """The key in a parameter of the URL; empty when there is none. Raises GatewayError as `credential` does."""
    found = query_of(raw_path).get(name, "") if f"{name}=" in raw_path else ""
    if found and not _is_key_like(found):
        raise GatewayError(Kind.INVALID_KEY, f"The API key in the URL's `{name}` holds characters no key has.")
    return found


def timeout_ms(headers: Mapping[str, str]) -> int | None:
    """The caller's `x-request-timeout` (seconds, a fraction allowed) in milliseconds; None without one."""
    given = headers.get("x-request-timeout")
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _TIMEOUT_MAX_S:
        raise GatewayError(
            Kind.INVALID_REQUEST,
            f"The header x-request-timeout must be seconds above 0 and up to {_TIMEOUT_MAX_S:.0f}, e.g. 2.5.",
            param="x-request-timeout",
        )
    return max(1, math.ceil(seconds * 1000))


def peer(headers: CIMultiDictProxy[str], address: object, *, is_forwarded_for_trusted: bool) -> str:
    """The caller's `ip:port`; behind a trusted proxy the address that proxy appended to `x-forwarded-for`."""
    if is_forwarded_for_trusted and (forwarded := headers.getall("x-forwarded-for", [])):
        last = forwarded[-1].rpartition(",")[2].strip()
        if last.isascii() and last.isprintable():
            return last[:64]
    if isinstance(address, tuple):
        host, port = address[0], address[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return "unix"


def take_wish(call: CallContext, asked: str, cache_control: str) -> None:
    """Note what the caller says about kept answers. Raises GatewayError INVALID_REQUEST."""
    if wish := freshness.wish(asked, cache_control):
        call.headers[freshness.HEADER] = wish


def call_context(
    headers: CIMultiDictProxy[str],
    http: Http,
    profile: Profile,
    *,
    call_id: str,
    address: object,
    dialect: str = "openai",
    has_credential: bool = True,
) -> CallContext:
    """What the service must know of a request beyond its body; without credential where everybody may ask."""
    call = CallContext.FromString(_constant_part(profile.name, dialect))
    if has_credential:
        call.credential = credential(headers, profile)
    call.request_id = call_id
    if (allowed_ms := timeout_ms(headers)) is not None:
        call.timeout_ms = allowed_ms
    traceparent = headers.get("traceparent")
    if traceparent is not None and _TRACEPARENT.fullmatch(traceparent):
        call.traceparent = traceparent
    call.peer = peer(headers, address, is_forwarded_for_trusted=http.is_forwarded_for_trusted)
    if hops.HEADER in headers and (passed := hops.taken(headers.getall(hops.HEADER))):
        call.headers[hops.HEADER] = passed
    for name in http.call_headers:
        if name in headers:
            call.headers[name] = headers[name][:CALL_HEADER_MAX_CHARS].encode("utf-8", "replace").decode()
    if freshness.HEADER in headers or "cache-control" in headers:
        take_wish(call, headers.get(freshness.HEADER, ""), ",".join(headers.getall("cache-control", ())))
    return call


@lru_cache(maxsize=256)
def _constant_part(profile: str, dialect: str) -> bytes:
    """What all calls of one profile and dialect have in common, serialized."""
    call = CallContext(
        profile=profile, dialect=dialect, protocol="http", takes_json=True, takes_texts=True, takes_whole=True
    )
    return call.SerializeToString()
