"""Keeps the gateway's processes running: start by exec, restart with backoff, drain, reload.

Rules: imports only the standard library, and little of that; it stays resident beside every gateway.
Not here: which processes there are and with what arguments (app), what they do on SIGTERM and SIGHUP (app).
"""

from gateway.supervisor.children import EXIT_CONFIGURATION, ChildSpec, Policy
from gateway.supervisor.run import run

__all__ = ["EXIT_CONFIGURATION", "ChildSpec", "Policy", "run"]
