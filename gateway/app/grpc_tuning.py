"""How gRPC runs in the gateway's own processes: variables it reads when it is imported, so set before that.

Rules:
    - What the operator set stays. The public client sets nothing: its process is somebody else's.
    - gRPC's event engine hands each message over two more threads. Without it the thread that waits for messages reads
      them itself: 6 switches between threads a call instead of 17, and a third less of its CPU time.
    - Only grpcio whose experiments have these names (tests/unit/app/test_grpc_tuning.py): it complains of others.
Source: gRPC's environment variables, `GRPC_EXPERIMENTS`.
Not here:
    - Options of channels and servers (rpc.options, service.server).
"""

from __future__ import annotations

import os

_WANTED = {
    "GRPC_VERBOSITY": "ERROR",  # a link that drains, or a handshake that fails, is no news
    "GRPC_EXPERIMENTS": "-event_engine_client,-event_engine_listener",
}


def variables() -> dict[str, str]:
    """For the environment of a child."""
    return {name: os.environ.get(name, value) for name, value in _WANTED.items()}


def prepare() -> None:
    """For this process, before grpc is imported."""
    os.environ.update(variables())
