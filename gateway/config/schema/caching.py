"""The sections about answers that are given again: cache, and `cache` of a model.

Rules:
    - Off until a model enables it; a tenant is part of every entry, so that nobody sees another's answers.

Not here: keys, entries, sharing (cache); the shared store (schema/store.py).
"""

from typing import Literal

from gateway.config.schema.base import Section, setting

MIB = 1024 * 1024


class Cache(Section):
    """Answers kept for models that have a cache; each service has its own memory, and `store` behind it."""

    memory_max_bytes: int = setting(
        64 * MIB, "Answers in memory; the least recently used go first.", unit="bytes", reloads=False, ge=0
    )
    is_in_store: bool = setting(
        True, "Whether answers are also kept in `store` (if there is one), for all services.", reloads=False
    )


class ModelCache(Section):
    """Whether a model's answers are given again to the same tenant for the same request."""

    enabled: bool = setting(False, "Whether complete answers are kept and given again.")
    tenant: Literal["key", "user", "group"] = setting(
        "key",
        "Who shares answers: the calls of one `key`, of one `user`, of one `group`; a key without one has its own.",
    )
    ttl_s: float = setting(300.0, "How long an answer is kept.", unit="seconds", gt=0, le=2_592_000)
    entry_max_bytes: int = setting(MIB, "A longer answer is not kept.", unit="bytes", ge=1024, le=64 * MIB)
    has_tool_calls: bool = setting(
        False, "Whether answers that call tools are kept: who gets one again makes the same calls again."
    )
    share_in_flight: bool = setting(
        False, "Whether calls that ask the same at the same time share one upstream answer; also without `enabled`."
    )
    share_max_bytes: int = setting(
        MIB,
        "Of a shared answer, how much is kept for slow and late readers; a reader further behind is ended.",
        unit="bytes",
        ge=65_536,
        le=64 * MIB,
    )

    @property
    def is_used(self) -> bool:
        """Whether calls of the model do anything beyond the ordinary."""
        return self.enabled or self.share_in_flight
