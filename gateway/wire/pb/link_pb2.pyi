from gateway.wire.pb import errors_pb2 as _errors_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EndState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    END_STATE_UNSPECIFIED: _ClassVar[EndState]
    END_STATE_COMPLETE: _ClassVar[EndState]
    END_STATE_CUT: _ClassVar[EndState]
    END_STATE_ERROR: _ClassVar[EndState]
    END_STATE_CANCELLED: _ClassVar[EndState]
END_STATE_UNSPECIFIED: EndState
END_STATE_COMPLETE: EndState
END_STATE_CUT: EndState
END_STATE_ERROR: EndState
END_STATE_CANCELLED: EndState

class FrameBatch(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[Frame]
    def __init__(self, frames: _Optional[_Iterable[_Union[Frame, _Mapping]]] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("call", "hello", "open", "head", "event", "text", "end", "cancel", "credit", "drain", "part", "settings", "json", "texts", "whole")
    CALL_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    call: int
    hello: Hello
    open: Open
    head: Head
    event: bytes
    text: str
    end: End
    cancel: Cancel
    credit: int
    drain: Drain
    part: Part
    settings: Settings
    json: bytes
    texts: TextEvents
    whole: Whole
    def __init__(self, call: _Optional[int] = ..., hello: _Optional[_Union[Hello, _Mapping]] = ..., open: _Optional[_Union[Open, _Mapping]] = ..., head: _Optional[_Union[Head, _Mapping]] = ..., event: _Optional[bytes] = ..., text: _Optional[str] = ..., end: _Optional[_Union[End, _Mapping]] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., credit: _Optional[int] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ..., part: _Optional[_Union[Part, _Mapping]] = ..., settings: _Optional[_Union[Settings, _Mapping]] = ..., json: _Optional[bytes] = ..., texts: _Optional[_Union[TextEvents, _Mapping]] = ..., whole: _Optional[_Union[Whole, _Mapping]] = ...) -> None: ...

class TextEvents(_message.Message):
    __slots__ = ("texts",)
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, texts: _Optional[_Iterable[str]] = ...) -> None: ...

class Whole(_message.Message):
    __slots__ = ("headers", "event", "json", "trailers")
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    TRAILERS_FIELD_NUMBER: _ClassVar[int]
    headers: bytes
    event: bytes
    json: bytes
    trailers: bytes
    def __init__(self, headers: _Optional[bytes] = ..., event: _Optional[bytes] = ..., json: _Optional[bytes] = ..., trailers: _Optional[bytes] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("protocol", "instance", "generation", "credit_bytes", "part_bytes", "secret")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    CREDIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    PART_BYTES_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    instance: str
    generation: int
    credit_bytes: int
    part_bytes: int
    secret: str
    def __init__(self, protocol: _Optional[int] = ..., instance: _Optional[str] = ..., generation: _Optional[int] = ..., credit_bytes: _Optional[int] = ..., part_bytes: _Optional[int] = ..., secret: _Optional[str] = ...) -> None: ...

class Open(_message.Message):
    __slots__ = ("method", "context", "request", "is_in_parts")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    IS_IN_PARTS_FIELD_NUMBER: _ClassVar[int]
    method: str
    context: CallContext
    request: bytes
    is_in_parts: bool
    def __init__(self, method: _Optional[str] = ..., context: _Optional[_Union[CallContext, _Mapping]] = ..., request: _Optional[bytes] = ..., is_in_parts: _Optional[bool] = ...) -> None: ...

class CallContext(_message.Message):
    __slots__ = ("credential", "request_id", "timeout_ms", "traceparent", "peer", "profile", "dialect", "protocol", "headers", "takes_json", "takes_texts", "takes_whole")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    DIALECT_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    TAKES_JSON_FIELD_NUMBER: _ClassVar[int]
    TAKES_TEXTS_FIELD_NUMBER: _ClassVar[int]
    TAKES_WHOLE_FIELD_NUMBER: _ClassVar[int]
    credential: str
    request_id: str
    timeout_ms: int
    traceparent: str
    peer: str
    profile: str
    dialect: str
    protocol: str
    headers: _containers.ScalarMap[str, str]
    takes_json: bool
    takes_texts: bool
    takes_whole: bool
    def __init__(self, credential: _Optional[str] = ..., request_id: _Optional[str] = ..., timeout_ms: _Optional[int] = ..., traceparent: _Optional[str] = ..., peer: _Optional[str] = ..., profile: _Optional[str] = ..., dialect: _Optional[str] = ..., protocol: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ..., takes_json: _Optional[bool] = ..., takes_texts: _Optional[bool] = ..., takes_whole: _Optional[bool] = ...) -> None: ...

class Head(_message.Message):
    __slots__ = ("headers",)
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    headers: _containers.ScalarMap[str, str]
    def __init__(self, headers: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("data", "is_last", "is_json")
    DATA_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    IS_JSON_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    is_last: bool
    is_json: bool
    def __init__(self, data: _Optional[bytes] = ..., is_last: _Optional[bool] = ..., is_json: _Optional[bool] = ...) -> None: ...

class End(_message.Message):
    __slots__ = ("state", "error", "trailers")
    class TrailersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TRAILERS_FIELD_NUMBER: _ClassVar[int]
    state: EndState
    error: _errors_pb2.Error
    trailers: _containers.ScalarMap[str, str]
    def __init__(self, state: _Optional[_Union[EndState, str]] = ..., error: _Optional[_Union[_errors_pb2.Error, _Mapping]] = ..., trailers: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Drain(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Settings(_message.Message):
    __slots__ = ("generation", "json")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    generation: int
    json: str
    def __init__(self, generation: _Optional[int] = ..., json: _Optional[str] = ...) -> None: ...
