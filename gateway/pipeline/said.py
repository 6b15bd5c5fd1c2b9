"""What a provider answered when an attempt failed: one record of the debug log, the only place a body is shown.

Rules:
    - Written at level `debug` only, bounded, and without the deployment's credential or anything that looks like a key.
    - Failing to write it changes nothing.
Not here:
    - What the answer means (dialects); the record of the call, which has the outcome of every try (settle).
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config.catalogue import Deployment
from gateway.observe.log import LEVELS, Log
from gateway.observe.redact import redacted
from gateway.observe.tally import not_failing

BODY_MAX_CHARS = 2048
READ_MAX_BYTES = 65_536
_DEBUG = LEVELS["debug"]


def note(log: Log, request_id: str, deployment: Deployment, status: int, body: bytes) -> None:
    """Write the record of one refused answer, or of the part of a stream that could not be used."""
    if log.level > _DEBUG:
        return
    with not_failing():
        text = redacted(body[:READ_MAX_BYTES].decode("utf-8", "replace"), _secrets(deployment), BODY_MAX_CHARS)
        fields = {"request_id": request_id, "deployment": deployment.id, "status": status, "bytes": len(body)}
        log.write_record("debug", "provider answer", {**fields, "body": text})


def _secrets(deployment: Deployment) -> Iterator[str]:
    """Whatever a credential may stand in: every configured header and query member."""
    for value in (*deployment.headers.values(), *deployment.query.values()):
        yield value
        yield value.partition(" ")[2]  # after `Bearer` or `Basic`
