"""One provider of a format, which wants a key, and a gateway with nothing else behind it.

Rules: the gateway runs in this process, the simulator is the vendor; a model is asked for as `pair.named("sim-...")`.
Not here: all formats behind one gateway (upstreams), what a model's name means (gateway.simulator.behaviour).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from gateway.simulator.server import Running, serve
from gateway.wire.pb import inference_pb2_grpc
from tests.support.matrix.upstreams import BY_NAME
from tests.support.sdk import Sdk, sdk_of
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

KEY = "a-key-of-the-vendor"
AWS_KEY_ID = "AKID"
_ENVIRON = {"UPSTREAM_KEY": KEY, "UPSTREAM_ID": AWS_KEY_ID, "UPSTREAM_TOKEN": "token"}
_BEARER: dict[str, Any] = {"auth": "bearer", "api_key": {"env": "UPSTREAM_KEY"}}
_AWS: dict[str, Any] = {
    "region": "eu-west-1",
    "access_key_id": {"env": "UPSTREAM_ID"},
    "secret_access_key": {"env": "UPSTREAM_KEY"},
    "session_token": {"env": "UPSTREAM_TOKEN"},
}
_CREDENTIALS: dict[str, dict[str, Any]] = {"anthropic": {**_BEARER, "auth": "x-api-key"}, "bedrock": {"aws": _AWS}}
"""Dialect -> how its vendor wants the key; the others as a bearer."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A gateway, the provider behind it, and OpenAI's SDK before it."""

    dialect: str
    upstream: Running
    gateway: InProcess
    sdk: Sdk

    def named(self, model: str = "sim") -> str:
        """A model of this provider, under a name nobody else uses."""
        return f"{self.dialect}/{unique(model)}"

    async def sent(self, model: str) -> dict[str, Any]:
        """The last request the provider got for a model."""
        return await self.simulator.last(model)

    @property
    def simulator(self) -> Simulated:
        """The provider, to be asked what it saw."""
        return Simulated(self.upstream.url)

    @property
    def metadata(self) -> tuple[tuple[str, str]]:
        """What a gRPC call carries."""
        return (("authorization", f"Bearer {self.gateway.key}"),)

    @asynccontextmanager
    async def stub(self) -> AsyncIterator[Any]:
        """The generated gRPC client."""
        async with grpc.aio.insecure_channel(self.gateway.grpc_address) as channel:
            yield inference_pb2_grpc.InferenceStub(channel)


@asynccontextmanager
async def paired(dialect: str, environ: dict[str, str] | None = None) -> AsyncIterator[Pair]:
    """Run both until the block ends; `environ` replaces secrets of the gateway."""
    of = BY_NAME[dialect]
    upstream = await serve(key=KEY)
    try:
        plain = {name: value for name, value in of.provider(upstream.url).items() if name != "auth"}
        provider = plain | _CREDENTIALS.get(dialect, _BEARER)
        layer = {"providers": {f"up-{dialect}": provider}, "models": {"acme": of.model()}}
        async with single(layer, environ=_ENVIRON | (environ or {})) as gateway:
            sdk = sdk_of("async", gateway.base_url, gateway.key)
            yield Pair(dialect, upstream, gateway, sdk)
            await sdk.close()
    finally:
        await upstream.stop()
