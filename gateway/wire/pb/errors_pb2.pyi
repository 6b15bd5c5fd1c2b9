from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_KIND_UNSPECIFIED: _ClassVar[ErrorKind]
    ERROR_KIND_INVALID_REQUEST: _ClassVar[ErrorKind]
    ERROR_KIND_UNSUPPORTED_PARAMETER: _ClassVar[ErrorKind]
    ERROR_KIND_CONTEXT_LENGTH_EXCEEDED: _ClassVar[ErrorKind]
    ERROR_KIND_CONTENT_FILTERED: _ClassVar[ErrorKind]
    ERROR_KIND_MISSING_KEY: _ClassVar[ErrorKind]
    ERROR_KIND_INVALID_KEY: _ClassVar[ErrorKind]
    ERROR_KIND_INSUFFICIENT_BALANCE: _ClassVar[ErrorKind]
    ERROR_KIND_PERMISSION_DENIED: _ClassVar[ErrorKind]
    ERROR_KIND_NOT_FOUND: _ClassVar[ErrorKind]
    ERROR_KIND_MODEL_NOT_FOUND: _ClassVar[ErrorKind]
    ERROR_KIND_METHOD_NOT_ALLOWED: _ClassVar[ErrorKind]
    ERROR_KIND_REQUEST_TIMEOUT: _ClassVar[ErrorKind]
    ERROR_KIND_CONFLICT: _ClassVar[ErrorKind]
    ERROR_KIND_REQUEST_TOO_LARGE: _ClassVar[ErrorKind]
    ERROR_KIND_UNSUPPORTED_MEDIA_TYPE: _ClassVar[ErrorKind]
    ERROR_KIND_RATE_LIMITED: _ClassVar[ErrorKind]
    ERROR_KIND_OVERLOADED: _ClassVar[ErrorKind]
    ERROR_KIND_CANCELLED: _ClassVar[ErrorKind]
    ERROR_KIND_INTERNAL: _ClassVar[ErrorKind]
    ERROR_KIND_UNIMPLEMENTED: _ClassVar[ErrorKind]
    ERROR_KIND_DEADLINE_EXCEEDED: _ClassVar[ErrorKind]
    ERROR_KIND_PROVIDER_ERROR: _ClassVar[ErrorKind]
    ERROR_KIND_PROVIDER_TIMEOUT: _ClassVar[ErrorKind]
    ERROR_KIND_PROVIDER_RATE_LIMITED: _ClassVar[ErrorKind]
    ERROR_KIND_PROVIDER_AUTH: _ClassVar[ErrorKind]
    ERROR_KIND_PROVIDER_INVALID: _ClassVar[ErrorKind]
    ERROR_KIND_STREAM_CUT: _ClassVar[ErrorKind]
    ERROR_KIND_UNAVAILABLE: _ClassVar[ErrorKind]
    ERROR_KIND_STALLED_READER: _ClassVar[ErrorKind]
    ERROR_KIND_PROVIDER_REFUSED: _ClassVar[ErrorKind]
ERROR_KIND_UNSPECIFIED: ErrorKind
ERROR_KIND_INVALID_REQUEST: ErrorKind
ERROR_KIND_UNSUPPORTED_PARAMETER: ErrorKind
ERROR_KIND_CONTEXT_LENGTH_EXCEEDED: ErrorKind
ERROR_KIND_CONTENT_FILTERED: ErrorKind
ERROR_KIND_MISSING_KEY: ErrorKind
ERROR_KIND_INVALID_KEY: ErrorKind
ERROR_KIND_INSUFFICIENT_BALANCE: ErrorKind
ERROR_KIND_PERMISSION_DENIED: ErrorKind
ERROR_KIND_NOT_FOUND: ErrorKind
ERROR_KIND_MODEL_NOT_FOUND: ErrorKind
ERROR_KIND_METHOD_NOT_ALLOWED: ErrorKind
ERROR_KIND_REQUEST_TIMEOUT: ErrorKind
ERROR_KIND_CONFLICT: ErrorKind
ERROR_KIND_REQUEST_TOO_LARGE: ErrorKind
ERROR_KIND_UNSUPPORTED_MEDIA_TYPE: ErrorKind
ERROR_KIND_RATE_LIMITED: ErrorKind
ERROR_KIND_OVERLOADED: ErrorKind
ERROR_KIND_CANCELLED: ErrorKind
ERROR_KIND_INTERNAL: ErrorKind
ERROR_KIND_UNIMPLEMENTED: ErrorKind
ERROR_KIND_DEADLINE_EXCEEDED: ErrorKind
ERROR_KIND_PROVIDER_ERROR: ErrorKind
ERROR_KIND_PROVIDER_TIMEOUT: ErrorKind
ERROR_KIND_PROVIDER_RATE_LIMITED: ErrorKind
ERROR_KIND_PROVIDER_AUTH: ErrorKind
ERROR_KIND_PROVIDER_INVALID: ErrorKind
ERROR_KIND_STREAM_CUT: ErrorKind
ERROR_KIND_UNAVAILABLE: ErrorKind
ERROR_KIND_STALLED_READER: ErrorKind
ERROR_KIND_PROVIDER_REFUSED: ErrorKind

class Error(_message.Message):
    __slots__ = ("kind", "message", "param", "code", "retry_after_ms", "limit", "http_status")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PARAM_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    kind: ErrorKind
    message: str
    param: str
    code: str
    retry_after_ms: int
    limit: str
    http_status: int
    def __init__(self, kind: _Optional[_Union[ErrorKind, str]] = ..., message: _Optional[str] = ..., param: _Optional[str] = ..., code: _Optional[str] = ..., retry_after_ms: _Optional[int] = ..., limit: _Optional[str] = ..., http_status: _Optional[int] = ...) -> None: ...
