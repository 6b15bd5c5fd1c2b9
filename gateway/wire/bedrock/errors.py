"""Errors: the object `{"message": ...}`, and the names of exceptions, which a stream tells without a status.

Rules: a status follows from a name, never from a message; a body that is none says nothing.
Not here: which failure it is for the gateway (the provider's dialect).
"""

from typing import Final

from gateway.wire.json import JsonInvalid, loads

STATUSES: Final = {
    "validationException": 400,
    "accessDeniedException": 403,
    "resourceNotFoundException": 404,
    "modelTimeoutException": 408,
    "modelErrorException": 424,
    "modelStreamErrorException": 424,
    "throttlingException": 429,
    "modelNotReadyException": 429,
    "internalServerException": 500,
    "serviceUnavailableException": 503,
}
"""Name of an exception in a stream -> the HTTP status of the same failure."""

HEADER_STATUSES: Final = {
    "ThrottlingException": 429,
    "TooManyRequestsException": 429,
    "ServiceQuotaExceededException": 429,
    "ModelNotReadyException": 429,
    "AccessDeniedException": 403,
    "UnrecognizedClientException": 403,
    "ExpiredTokenException": 403,
    "InvalidSignatureException": 403,
    "IncompleteSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "InvalidClientTokenId": 403,
    "OptInRequired": 403,
    "ResourceNotFoundException": 404,
    "ModelTimeoutException": 408,
    "ModelErrorException": 424,
    "ModelStreamErrorException": 424,
}
"""Name of an exception in `x-amzn-errortype` -> the HTTP status it means, whichever below 500 it came with."""


def error_name(header: str) -> str:
    """The name in the header `x-amzn-errortype`, which may have a URL behind a colon."""
    return header.partition(":")[0].rpartition("#")[2]


def read_error(body: bytes) -> str:
    """The message of an error body; empty where it says none."""
    try:
        answer = loads(body)
    except JsonInvalid:
        return ""
    message = answer.get("message", answer.get("Message")) if type(answer) is dict else None
    return message if type(message) is str else ""
