"""What can be set on a link, what it tells an observer, and the gRPC channel arguments it needs.

Rules:
    - Every queue, wait and size of the link has its bound here; both ends use the same defaults.
    - This module imports no grpc: a configuration may build options without it.
Not here:
    - Where the values come from (config, app), what they bound (outbox, link_server, link_client).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

PROTOCOL = 1  # spoken by this code; sides that differ by at most one understand each other
PATH = "/gateway.v1.Link/Exchange"
SERVICE = "gateway.v1.Link"
FRAME_COST_BYTES = 32  # what an event costs in credit beside its payload: it occupies memory too
MESSAGE_BYTES_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """Bounds of one end of a link. Bytes count serialized payload."""

    protocol: int = PROTOCOL
    secret: str = ""  # shared secret; a TCP peer without mTLS must present it
    credit_bytes: int = 64 * 1024  # per call: sent but not yet taken by the reader
    part_bytes: int = 256 * 1024  # largest payload of one frame
    outbox_bytes: int = 512 * 1024  # per link: queued but not yet handed to gRPC
    request_bytes_max: int = 64 * 1024 * 1024  # of one call
    assembly_bytes_max: int = 256 * 1024 * 1024  # per link: requests that are still arriving in parts
    event_bytes_max: int = 64 * 1024 * 1024  # of one event
    calls_max: int = 20_000  # per link
    waiting_max: int = 2_000  # calls of a frontend that wait for a link
    stalled_for_s: float = 30.0  # a call without credit for so long is ended
    deadline_grace_s: float = 2.0  # the pipeline ends a call at its deadline; the link so much later
    hello_wait_s: float = 5.0
    connect_wait_s: float = 2.0  # how long a call waits for a link before UNAVAILABLE
    backoff_first_s: float = 0.05
    backoff_max_s: float = 0.5


class LinkObserver(Protocol):
    """What a link tells of itself; called on the event loop, must not block or raise."""

    def batch_sent(self, frames: int, size_bytes: int, waiting: int) -> None:
        """A batch was handed to gRPC; `waiting` calls stand in line for room in the queue."""

    def batch_received(self, frames: int, size_bytes: int) -> None:
        """A batch arrived."""

    def call_stalled(self) -> None:
        """A call ran out of credit and waits for its reader."""

    def links_changed(self, links: int) -> None:
        """So many links are up."""


def channel_arguments() -> list[tuple[str, int]]:
    """gRPC arguments for both ends of a link: bounded messages, dead peers found within 15 s, no shared sockets."""
    return [
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),  # else an idle link ends with too_many_pings after 20 s
        ("grpc.so_reuseport", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
    ]
