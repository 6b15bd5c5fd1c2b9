"""How much one caller may use: the record that keys carry and quotas enforce.

Rules:
    - None = no limit of that dimension.
Not here:
    - Counting (quota); where limits are declared (configuration).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one subject; None = no limit."""

    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrency: int | None

    @property
    def is_limited(self) -> bool:
        """Whether any limit is set."""
        return not (self.requests_per_minute is None and self.tokens_per_minute is None and self.concurrency is None)
