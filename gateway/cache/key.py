"""Which calls get the same answer: the key of a call, as 32 bytes.

Rules:
    - The tenant (of the caller's identity, never of the request) is always part of it.
    - All of the request is part of it: model, messages with every kind of block, tools, parameters, unknown members.
      Nothing is left out as unimportant and nothing is compared by likeness.
    - So are the method (a stream and a whole answer are kept apart) and the salt of the model's deployments.
    - The order of members does not matter where the message has fields, nor in the top level's `extra`.
Not here:
    - What makes a model's deployments another (config.caching).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from google.protobuf.message import Message

from gateway.rpc.contract import Method
from gateway.wire import json

VERSION = b"1"  # of keys and of what is kept under them


def key_of(method: Method, request: Message, tenant: str, salt: bytes, choices: Iterable[str] = ()) -> bytes:
    """The key of one call; `choices` name the rule or arm that sent it to some of the deployments only."""
    digest = hashlib.sha256()
    parts = (VERSION, method.name.encode(), tenant.encode(), salt, "\n".join(sorted(choices)).encode(), _bytes(request))
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def _bytes(request: Any) -> bytes:
    """The request in one order of members."""
    extra: str = getattr(request, "extra", "")
    if not extra:
        return bytes(request.SerializeToString(deterministic=True))
    ordered = type(request)()
    ordered.CopyFrom(request)
    ordered.extra = _ordered(json.loads(extra.encode()))
    return bytes(ordered.SerializeToString(deterministic=True))


def _ordered(members: dict[str, Any]) -> str:
    return json.dumps({name: members[name] for name in sorted(members)}).decode()
