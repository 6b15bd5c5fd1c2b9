"""Errors: the object `{"message": ..., "id"?: ...}`; the status says what kind of failure it is.

Rules: a body that is none says nothing.
Not here: which failure it is for the gateway (the provider's dialect).
"""

from typing import Any

from gateway.wire.json import JsonInvalid, loads


def read_error(body: bytes) -> str:
    """The message of an error body; empty where it says none."""
    try:
        return message_of(loads(body))
    except JsonInvalid:
        return ""


def message_of(answer: Any) -> str:
    """The message of an error object."""
    message = answer.get("message") if type(answer) is dict else None
    return message if type(message) is str else ""
