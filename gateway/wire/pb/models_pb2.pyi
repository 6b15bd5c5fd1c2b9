from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("id", "created", "owned_by", "capabilities", "context_window", "output_max_tokens", "pricing")
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    OWNED_BY_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_WINDOW_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    PRICING_FIELD_NUMBER: _ClassVar[int]
    id: str
    created: int
    owned_by: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    context_window: int
    output_max_tokens: int
    pricing: Pricing
    def __init__(self, id: _Optional[str] = ..., created: _Optional[int] = ..., owned_by: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ..., context_window: _Optional[int] = ..., output_max_tokens: _Optional[int] = ..., pricing: _Optional[_Union[Pricing, _Mapping]] = ...) -> None: ...

class Pricing(_message.Message):
    __slots__ = ("input_usd_micros_per_million", "output_usd_micros_per_million", "cached_input_usd_micros_per_million", "modes")
    INPUT_USD_MICROS_PER_MILLION_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_USD_MICROS_PER_MILLION_FIELD_NUMBER: _ClassVar[int]
    CACHED_INPUT_USD_MICROS_PER_MILLION_FIELD_NUMBER: _ClassVar[int]
    MODES_FIELD_NUMBER: _ClassVar[int]
    input_usd_micros_per_million: int
    output_usd_micros_per_million: int
    cached_input_usd_micros_per_million: int
    modes: _containers.RepeatedCompositeFieldContainer[ModePricing]
    def __init__(self, input_usd_micros_per_million: _Optional[int] = ..., output_usd_micros_per_million: _Optional[int] = ..., cached_input_usd_micros_per_million: _Optional[int] = ..., modes: _Optional[_Iterable[_Union[ModePricing, _Mapping]]] = ...) -> None: ...

class ModePricing(_message.Message):
    __slots__ = ("mode", "input_usd_micros_per_million", "output_usd_micros_per_million", "cached_input_usd_micros_per_million")
    MODE_FIELD_NUMBER: _ClassVar[int]
    INPUT_USD_MICROS_PER_MILLION_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_USD_MICROS_PER_MILLION_FIELD_NUMBER: _ClassVar[int]
    CACHED_INPUT_USD_MICROS_PER_MILLION_FIELD_NUMBER: _ClassVar[int]
    mode: str
    input_usd_micros_per_million: int
    output_usd_micros_per_million: int
    cached_input_usd_micros_per_million: int
    def __init__(self, mode: _Optional[str] = ..., input_usd_micros_per_million: _Optional[int] = ..., output_usd_micros_per_million: _Optional[int] = ..., cached_input_usd_micros_per_million: _Optional[int] = ...) -> None: ...
