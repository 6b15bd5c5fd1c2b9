from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExplainRouteRequest(_message.Message):
    __slots__ = ("request_id", "model", "key_id", "group", "user", "headers", "metadata", "prompt_tokens", "output_tokens", "needs", "is_stream")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    NEEDS_FIELD_NUMBER: _ClassVar[int]
    IS_STREAM_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model: str
    key_id: str
    group: str
    user: str
    headers: _containers.ScalarMap[str, str]
    metadata: _containers.ScalarMap[str, str]
    prompt_tokens: int
    output_tokens: int
    needs: _containers.RepeatedScalarFieldContainer[str]
    is_stream: bool
    def __init__(self, request_id: _Optional[str] = ..., model: _Optional[str] = ..., key_id: _Optional[str] = ..., group: _Optional[str] = ..., user: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., prompt_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., needs: _Optional[_Iterable[str]] = ..., is_stream: _Optional[bool] = ...) -> None: ...

class ExplainRouteReply(_message.Message):
    __slots__ = ("model", "entry", "because", "candidates", "dropped", "tried", "chosen", "outcome", "ms", "request_id", "at", "cache")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    BECAUSE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    TRIED_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    MS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    model: str
    entry: str
    because: _containers.RepeatedScalarFieldContainer[str]
    candidates: _containers.RepeatedCompositeFieldContainer[RouteCandidate]
    dropped: _containers.RepeatedCompositeFieldContainer[RouteDropped]
    tried: _containers.RepeatedCompositeFieldContainer[RouteAttempt]
    chosen: str
    outcome: str
    ms: float
    request_id: str
    at: str
    cache: str
    def __init__(self, model: _Optional[str] = ..., entry: _Optional[str] = ..., because: _Optional[_Iterable[str]] = ..., candidates: _Optional[_Iterable[_Union[RouteCandidate, _Mapping]]] = ..., dropped: _Optional[_Iterable[_Union[RouteDropped, _Mapping]]] = ..., tried: _Optional[_Iterable[_Union[RouteAttempt, _Mapping]]] = ..., chosen: _Optional[str] = ..., outcome: _Optional[str] = ..., ms: _Optional[float] = ..., request_id: _Optional[str] = ..., at: _Optional[str] = ..., cache: _Optional[str] = ...) -> None: ...

class RouteCandidate(_message.Message):
    __slots__ = ("deployment", "provider", "upstream_model", "base_url", "priority", "weight", "attempts_max")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_MODEL_FIELD_NUMBER: _ClassVar[int]
    BASE_URL_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_MAX_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    provider: str
    upstream_model: str
    base_url: str
    priority: int
    weight: int
    attempts_max: int
    def __init__(self, deployment: _Optional[str] = ..., provider: _Optional[str] = ..., upstream_model: _Optional[str] = ..., base_url: _Optional[str] = ..., priority: _Optional[int] = ..., weight: _Optional[int] = ..., attempts_max: _Optional[int] = ...) -> None: ...

class RouteDropped(_message.Message):
    __slots__ = ("deployment", "reason")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    reason: str
    def __init__(self, deployment: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RouteAttempt(_message.Message):
    __slots__ = ("deployment", "outcome", "ms", "kind", "cause")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    MS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    outcome: str
    ms: float
    kind: str
    cause: str
    def __init__(self, deployment: _Optional[str] = ..., outcome: _Optional[str] = ..., ms: _Optional[float] = ..., kind: _Optional[str] = ..., cause: _Optional[str] = ...) -> None: ...

class ListDeploymentsRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class ListDeploymentsReply(_message.Message):
    __slots__ = ("deployments", "generation")
    DEPLOYMENTS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    deployments: _containers.RepeatedCompositeFieldContainer[DeploymentState]
    generation: int
    def __init__(self, deployments: _Optional[_Iterable[_Union[DeploymentState, _Mapping]]] = ..., generation: _Optional[int] = ...) -> None: ...

class DeploymentState(_message.Message):
    __slots__ = ("deployment", "models", "unavailable", "breaker", "reason", "open_for_s", "openings", "in_flight", "first_content_s", "answer_s", "headroom", "concurrency_limit", "waiting", "shed")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    BREAKER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OPEN_FOR_S_FIELD_NUMBER: _ClassVar[int]
    OPENINGS_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    FIRST_CONTENT_S_FIELD_NUMBER: _ClassVar[int]
    ANSWER_S_FIELD_NUMBER: _ClassVar[int]
    HEADROOM_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    SHED_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    models: _containers.RepeatedScalarFieldContainer[str]
    unavailable: str
    breaker: str
    reason: str
    open_for_s: float
    openings: int
    in_flight: int
    first_content_s: float
    answer_s: float
    headroom: float
    concurrency_limit: int
    waiting: int
    shed: int
    def __init__(self, deployment: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ..., unavailable: _Optional[str] = ..., breaker: _Optional[str] = ..., reason: _Optional[str] = ..., open_for_s: _Optional[float] = ..., openings: _Optional[int] = ..., in_flight: _Optional[int] = ..., first_content_s: _Optional[float] = ..., answer_s: _Optional[float] = ..., headroom: _Optional[float] = ..., concurrency_limit: _Optional[int] = ..., waiting: _Optional[int] = ..., shed: _Optional[int] = ...) -> None: ...
