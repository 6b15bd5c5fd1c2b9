"""A kit of real parts for tests of the pipeline: a small configuration, a manual clock, and a log that is kept.

Rules: nothing is patched; the upstream is whatever listens at the URLs the test gives.
Not here: a whole gateway (tests.support.single).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from gateway.accounts.keys import digest
from gateway.config.catalogue import Catalogue, Deployment, Entry
from gateway.config.schema import Config
from gateway.core.clock import ManualClock
from gateway.core.errors import GatewayError
from gateway.observe.log import Log
from gateway.observe.metrics import CallMetrics
from gateway.pipeline.kit import Kit, Runtime
from gateway.pipeline.run import run
from gateway.providers.transport import Transport
from gateway.quota.memory import MemoryQuota
from gateway.rpc.contract import CallContext, Head, Item, Method, Tail

PEPPER = b"a pepper"
KEY = "gw-test.a-secret-never-shown"
UPSTREAM_KEY = "sk-upstream-never-shown"
EVERYTHING = ("chat", "completion", "embedding", "vision", "audio", "function_calling", "json_mode", "json_schema")


def provider(base_url: str, **members: Any) -> dict[str, Any]:
    """A provider block."""
    block = {"dialect": "openai", "base_url": base_url, "auth": "none", "is_local": True}
    return {**block, "headers": {"x-upstream-key": UPSTREAM_KEY}, **members}


def model(*providers: str, **members: Any) -> dict[str, Any]:
    """A model served by these providers in order; it can do everything."""
    candidates = [{"provider": name} for name in providers]
    return lists_to_tuples({"names": ["*"], "capabilities": EVERYTHING, "candidates": candidates, **members})


def config_of(providers: Mapping[str, Any], models: Mapping[str, Any], **sections: Any) -> Config:
    """A checked configuration with one key, `KEY`; `key` adds members to its record."""
    record = {"id": "test", "hmac": digest(PEPPER, KEY), "name": "tester", **sections.pop("key", {})}
    tree = {"environment": "test", "providers": providers, "models": models, "keys": {"test": record}, **sections}
    return Config.model_validate(lists_to_tuples(tree))


def lists_to_tuples(value: Any) -> Any:
    """The configuration's lists are tuples; YAML's are not."""
    if isinstance(value, list):
        return tuple(lists_to_tuples(item) for item in value)
    return {key: lists_to_tuples(item) for key, item in value.items()} if isinstance(value, dict) else value


def entry_of(providers: Mapping[str, Any], **members: Any) -> Entry:
    """The compiled entry of a model served by these providers."""
    config = config_of(providers, {"m": model(*providers, **members)})
    entry = Catalogue.of(config).find("anything")
    assert entry is not None
    return entry


def deployment_of(base_url: str = "http://127.0.0.1:9/v1", **members: Any) -> Deployment:
    """One deployment; `candidate` adds members to the candidate, the rest to the provider."""
    candidate = {"provider": "p", **members.pop("candidate", {})}
    return entry_of({"p": provider(base_url, **members)}, candidates=[candidate]).candidates[0]


class KeptLog(Log):
    """A log whose lines can be read back."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `close`
        super().__init__("debug", fd=self._file.fileno())

    def close(self) -> None:
        """Nothing can be read back any more."""
        self._file.close()

    @property
    def text(self) -> str:
        """Everything written."""
        self.flush()
        size = os.fstat(self._file.fileno()).st_size
        return os.pread(self._file.fileno(), size, 0).decode()

    def records(self, event: str = "call") -> list[dict[str, Any]]:
        """The records of one event."""
        return [record for line in self.text.splitlines() if (record := json.loads(line))["event"] == event]


@dataclass
class Bench:
    """A kit and what is needed to call it."""

    kit: Kit
    log: KeptLog
    clock: ManualClock

    def context(self, **members: Any) -> CallContext:
        """A call's context with the good key."""
        return CallContext(**{"credential": KEY, "request_id": "req_1", "protocol": "http", **members})

    def start(self, method: Method, request: Message, **context: Any) -> Any:
        """The generator of one call."""
        return run(self.kit, method, request, self.context(**context))

    async def call(self, method: Method, request: Message, **context: Any) -> Outcome:
        """One call to its end."""
        outcome = Outcome()
        try:
            async for item in self.start(method, request, **context):
                outcome.items.append(item)
        except GatewayError as error:
            outcome.error = error
        return outcome

    @property
    def is_at_rest(self) -> bool:
        """Nothing runs, nothing is reserved, no answer of an upstream is open."""
        kit = self.kit
        return (kit.in_flight, kit.quota.open_count, kit.quota.in_flight("test"), kit.transport.open_replies) == (
            0, 0, 0, 0,
        )  # fmt: skip


@dataclass
class Outcome:
    """What a call gave: its items and how it failed, if it did."""

    items: list[Item] = field(default_factory=list)
    error: GatewayError | None = None

    @property
    def head(self) -> Head:
        """The head, which comes first in every case."""
        assert isinstance(self.items[0], Head)
        return self.items[0]

    @property
    def tail(self) -> Tail:
        """The tail, which comes last in a complete call."""
        assert isinstance(self.items[-1], Tail)
        return self.items[-1]

    @property
    def events(self) -> list[Any]:
        """All events of all batches."""
        return [event for item in self.items if isinstance(item, list) for event in item]


@asynccontextmanager
async def bench(config: Config, draw: Callable[[], float] = lambda: 0.0) -> AsyncIterator[Bench]:
    """A kit over `config`; its connections are closed at the end."""
    clock, log, transport = ManualClock(), KeptLog(), Transport()
    kit = Kit(Runtime.of(config, 3, PEPPER), MemoryQuota(clock), transport, CallMetrics(), log, clock, draw)
    try:
        yield Bench(kit, log, clock)
    finally:
        await transport.close()
        log.close()
