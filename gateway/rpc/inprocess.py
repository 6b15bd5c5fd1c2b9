"""The link without a stream: frontend and service in one process.

Rules:
    - Same interface and failures as LinkClient: whatever is not a GatewayError becomes INTERNAL, closing
      the generator closes the dispatch's.
    - Nothing is copied: a request belongs to the service once handed over, an event to the frontend.
    - The generator is pulled, so a slow reader holds its own call only; no credit is needed.
Not here:
    - Drain: whoever runs both halves stops accepting at the edge and waits for `calls` to reach 0.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from google.protobuf.message import Message

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import CallContext, Caller, Item, Method

_log = logging.getLogger(__name__)


class InProcessLink:
    """A `Caller` that runs the dispatch directly. `publish` hands settings to `on_settings` at once."""

    def __init__(self, dispatch: Caller, *, on_settings: Callable[[int, str], None] | None = None) -> None:
        self._dispatch = dispatch
        self._on_settings = on_settings
        self._is_closed = False
        self.calls = 0

    @property
    def state(self) -> str:
        """`ready` until closed."""
        return "closed" if self._is_closed else "ready"

    async def ready(self, timeout_s: float | None = None) -> bool:
        """Whether calls can be made."""
        return not self._is_closed

    def publish(self, settings_json: str, generation: int) -> None:
        """Same as LinkServer.publish."""
        if self._on_settings is not None:
            self._on_settings(generation, settings_json)

    async def aclose(self) -> None:
        """Take no more calls."""
        self._is_closed = True

    async def __call__(self, method: Method, request: Message, context: CallContext) -> AsyncGenerator[Item, None]:
        """Run one call; see gateway.rpc.contract."""
        if self._is_closed:
            raise GatewayError(Kind.UNAVAILABLE, "this gateway is stopping", retry_after_s=1)
        self.calls += 1
        try:
            async with aclosing(self._dispatch(method, request, context)) as items:
                del request  # else this frame keeps it as long as the call is open
                async for item in items:
                    yield item
        except GatewayError:
            raise
        except Exception as error:
            _log.exception("call failed", extra={"request_id": context.request_id})
            raise GatewayError(Kind.INTERNAL, "internal error") from error
        finally:
            self.calls -= 1
