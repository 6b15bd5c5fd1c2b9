"""The simulator as a process of its own, where the supervisor told everybody it would be.

Rules:
    - Reads no configuration: host and port come from the environment or from the command line.
Not here:
    - The simulator itself (gateway.simulator).
"""

from __future__ import annotations

import os
import sys

from gateway.simulator.server import run


def main() -> int:
    """Serve until told to stop."""
    port = int(os.environ.get("GATEWAY_SIMULATOR__PORT", "0"))
    run(os.environ.get("GATEWAY_SIMULATOR__HOST", "127.0.0.1"), port, None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
