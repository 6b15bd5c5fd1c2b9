"""Whether a failed call is tried again, and after how long.

Rules:
    - Only UNAVAILABLE is retried, and only while nothing of the answer has arrived (the caller of
      `delay_s` sees to the second).
    - A provider's failure is not retried: the gateway has tried its candidates already. It is when the
      gateway names a time (RetryInfo).
    - A named time is honoured or not at all: a longer one than `wait_s_max`, or one past the deadline,
      ends the call instead of being cut short.
Not here: waiting (aio.py, sync.py).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import grpc

from gateway.client.errors import GatewayError, ProviderError

_FIRST_S = 0.1


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`max_retries` further tries at most; 0 turns retries off. No wait is longer than `wait_s_max`."""

    max_retries: int = 2
    wait_s_max: float = 10.0

    def delay_s(self, error: GatewayError, retries_done: int, time_left_s: float | None) -> float | None:
        """Seconds to wait before the next try, or None to give up and raise `error`."""
        if retries_done >= self.max_retries or error.status is not grpc.StatusCode.UNAVAILABLE:
            return None
        if isinstance(error, ProviderError) and error.retry_after_s is None:
            return None
        wait_s = error.retry_after_s
        if wait_s is None:
            wait_s = min(_FIRST_S * 2**retries_done, self.wait_s_max) * random.uniform(0.5, 1.0)
        if wait_s > self.wait_s_max or (time_left_s is not None and wait_s >= time_left_s):
            return None
        return max(wait_s, 0.0)
