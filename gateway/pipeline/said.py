"""What a provider answered when an attempt failed: one record of the debug log, the only place a body is shown.

Rules:
    - Written at level `debug` only, bounded, and without the deployment's credential or anything that looks like a key.
    - A failure that quotes the provider loses the deployment's credential before anybody is told of it.
    - Failing to write it changes nothing.
Not here:
    - What the answer means (dialects); the record of the call, which has the outcome of every try (settle).
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError
from gateway.core.secret import HIDDEN
from gateway.observe.log import LEVELS, Log
from gateway.observe.redact import SECRET_MIN_CHARS, redacted
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


def hide(failure: GatewayError, deployment: Deployment) -> None:
    """Take the deployment's credential out of the words of a failure: vendors quote keys they refuse."""
    for secret in _secrets(deployment):
        if len(secret) >= SECRET_MIN_CHARS:
            failure.message = failure.message.replace(secret, HIDDEN)
            failure.cause = failure.cause.replace(secret, HIDDEN)
            failure.param = failure.param and failure.param.replace(secret, HIDDEN)
            failure.code = failure.code and failure.code.replace(secret, HIDDEN)


def _secrets(deployment: Deployment) -> Iterator[str]:
    """Whatever a credential may stand in: every configured header and query member."""
    for value in (*deployment.headers.values(), *deployment.query.values()):
        yield value
        yield value.partition(" ")[2]  # after `Bearer` or `Basic`
    if deployment.aws is not None:
        yield from (deployment.aws.access_key_id, deployment.aws.secret_access_key, deployment.aws.session_token or "")
