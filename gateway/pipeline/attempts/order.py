"""What every attempt of a call is made from.

Rules:
    - An order never changes; an attempt that needs another request (a continuation) gets an order of its own.
Not here:
    - Making attempts (attempt.py), choosing among deployments (series.py).
"""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment, Entry
from gateway.rpc.contract import Method


class Order(NamedTuple):
    """One call, as its attempts see it. `deadline_s` is loop time."""

    method: Method
    request: Message
    model: str
    entry: Entry
    deadline_s: float
    raw_dialect: str = ""  # the caller takes a whole answer of this dialect as it is; empty = of none
    hops: str = ""  # the gateways it passed, this one included, for the provider to see
    asked: Message | None = None  # what a stream's decoder is told of the request, when not the request itself
    takes_restart: bool = False  # the caller understands an answer that begins anew
    is_timed: bool = False  # the caller said how long it waits
    sent_as: Deployment | None = None  # with other parameters than the deployment's own
