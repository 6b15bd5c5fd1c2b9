"""What both clients share about a call: methods, connection options, metadata, deadline, completeness.

Rules:
    - Plain values and functions; nothing here waits or opens a connection.
    - A stream is complete when every answer that began has its finish_reason and at least one chunk came;
      anything else raises, whatever status the stream ended with.
    - betterproto2 accepts truncated bytes silently. It never sees any: gRPC frames carry their length, a
      message reaches the parser whole or the call fails. Do not parse bytes of another origin with it.
Not here: the shape of requests (requests.py), waiting (aio.py, sync.py).
"""

from __future__ import annotations

import os
import secrets
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import betterproto2
import grpc

from gateway.client import errors
from gateway.client.generated.gateway.v1 import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    CompletionRequest,
    CompletionResponse,
    EmbeddingRequest,
    EmbeddingResponse,
    GetModelRequest,
    ListModelsRequest,
    ListModelsResponse,
    Model,
)
from gateway.client.retry import RetryPolicy

DEFAULT_ADDRESS = "127.0.0.1:50051"
_MESSAGE_BYTES_MAX = 256 * 1024 * 1024  # 2048 embeddings of 4096 doubles are 64 MB

# betterproto2 changes the process-wide warning filters while it encodes: two threads at once would leave them changed.
_ENCODING = threading.Lock()

Req = TypeVar("Req", bound=betterproto2.Message)
Rep = TypeVar("Rep", bound=betterproto2.Message)


@dataclass(frozen=True, slots=True)
class Method(Generic[Req, Rep]):
    """One RPC. One that `has_effect` is not tried again unless the call says so."""

    name: str
    request: type[Req]
    reply: type[Rep]
    service: str = "gateway.v1.Inference"
    has_effect: bool = False

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.name}"


CHAT = Method("Chat", ChatRequest, ChatResponse)
STREAM_CHAT = Method("StreamChat", ChatRequest, ChatChunk)
COMPLETE = Method("Complete", CompletionRequest, CompletionResponse)
STREAM_COMPLETE = Method("StreamComplete", CompletionRequest, CompletionResponse)
EMBED = Method("Embed", EmbeddingRequest, EmbeddingResponse)
LIST_MODELS = Method("ListModels", ListModelsRequest, ListModelsResponse)
GET_MODEL = Method("GetModel", GetModelRequest, Model)


@dataclass(frozen=True, slots=True)
class Tls:
    """How to trust the gateway, and optionally how to prove who we are (mTLS). Paths of PEM files.

    Without `ca_file` the system's certificate authorities are trusted. `server_name` is the name expected
    in the certificate when it is not the host of the address.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(_pem(self.ca_file), _pem(self.key_file), _pem(self.cert_file))


@dataclass(frozen=True, slots=True)
class Options:
    """Everything a client was made with; see `AsyncClient`."""

    address: str
    key: str | None = field(repr=False)
    tls: Tls | None
    timeout_s: float | None
    retry: RetryPolicy
    headers: Mapping[str, str]
    channel_options: tuple[tuple[str, str | int], ...]

    def channel_arguments(self) -> list[tuple[str, str | int]]:
        name = self.tls.server_name if self.tls else None
        return [
            ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
            # A gateway that restarts is back within seconds: do not wait up to two minutes to look again.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 10_000),  # gRPC's name for the time that one try to connect has
            ("grpc.max_reconnect_backoff_ms", 5000),
            ("grpc.enable_http_proxy", 0),  # an internal service; HTTP_PROXY in the environment is not meant for it
            *([("grpc.ssl_target_name_override", name)] if name else []),
            *self.channel_options,
        ]


def make_options(
    address: str | None,
    key: str | None,
    *,
    tls: Tls | bool,
    timeout_s: float | None,
    max_retries: int,
    headers: Mapping[str, str] | None,
    channel_options: Mapping[str, str | int] | None,
) -> Options:
    """Fill in GATEWAY_GRPC_ADDRESS and GATEWAY_API_KEY, and read the scheme of the address."""
    scheme, _, target = (address or os.environ.get("GATEWAY_GRPC_ADDRESS") or DEFAULT_ADDRESS).rpartition("://")
    if scheme not in ("", "http", "https", "grpc", "grpcs", "unix", "dns"):
        raise ValueError(f"address: unknown scheme {scheme!r}; write host:port, grpc://host:port or grpcs://host:port")
    if scheme in ("unix", "dns"):
        target = f"{scheme}://{target}"
    if scheme in ("https", "grpcs") and tls is False:
        tls = True
    return Options(
        address=target.rstrip("/"),
        key=key if key is not None else os.environ.get("GATEWAY_API_KEY"),
        tls=Tls() if tls is True else tls or None,
        timeout_s=timeout_s,
        retry=RetryPolicy(max_retries=max_retries),
        headers={name.lower(): value for name, value in (headers or {}).items()},
        channel_options=tuple((channel_options or {}).items()),
    )


class CallState:
    """One call: its deadline as an instant, its request id, its metadata, and what came back beside the answer."""

    __slots__ = ("_deadline", "headers", "metadata", "request_id", "retries_done", "retry", "trailers")

    def __init__(
        self,
        options: Options,
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        max_retries: int | None = None,
    ) -> None:
        self.retries_done = 0
        self.headers: Mapping[str, str] = {}
        self.trailers: Mapping[str, str] = {}
        self.request_id = request_id or f"req_{secrets.token_hex(16)}"
        self.retry = options.retry if max_retries is None else RetryPolicy(max_retries, options.retry.wait_s_max)
        limit_s = options.timeout_s if timeout_s is None else timeout_s
        self._deadline = None if limit_s is None else time.monotonic() + limit_s
        extra = {name.lower(): value for name, value in (headers or {}).items()}
        fixed = {"x-request-id": self.request_id}
        if options.key:
            fixed["authorization"] = f"Bearer {options.key}"
        self.metadata = tuple((fixed | dict(options.headers) | extra).items())

    def time_left_s(self) -> float | None:
        """Seconds until the deadline, never below zero; None without one."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def retry_after_s(self, error: errors.GatewayError) -> float:
        """Count a try; seconds to wait before it. Raises `error` when there is to be none."""
        wait_s = self.retry.delay_s(error, self.retries_done, self.time_left_s())
        if wait_s is None:
            raise error
        self.retries_done += 1
        return wait_s


def encoded(request: betterproto2.Message) -> bytes:
    """The request's bytes; a value of a wrong type is a `TypeError` here and not a failed call."""
    try:
        with _ENCODING:
            return bytes(request)
    except (AttributeError, TypeError, ValueError, struct.error) as error:
        raise TypeError(f"{type(request).__name__} has a value of a wrong type: {error}") from error


def headers_from(metadata: errors.Metadata | None) -> dict[str, str]:
    """The text members of a call's metadata."""
    return {key: value for key, value in metadata or () if isinstance(value, str)}


class Completeness:
    """Watches a stream's chunks and says at its end whether the answer is whole."""

    __slots__ = ("_finished", "_started", "has_events")

    def __init__(self) -> None:
        self.has_events = False
        self._started: set[int] = set()
        self._finished: set[int] = set()

    def see(self, chunk: betterproto2.Message) -> None:
        self.has_events = True
        if not isinstance(chunk, ChatChunk | CompletionResponse):
            return
        for choice in chunk.choices:
            self._started.add(choice.index or 0)
            if choice.finish_reason is not None:
                self._finished.add(choice.index or 0)

    def check(self, request_id: str) -> None:
        """Raise `StreamCutError` unless the stream is complete."""
        if not self.has_events:
            raise errors.cut("the stream ended without a single chunk", request_id=request_id)
        if unfinished := self._started - self._finished:
            raise errors.cut(
                f"the stream ended before choice {min(unfinished)} had a finish_reason", request_id=request_id
            )


def _pem(path: str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
