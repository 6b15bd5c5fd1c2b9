from gateway.wire.pb import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ChatRequest(_message.Message):
    __slots__ = ("model", "messages", "temperature", "top_p", "max_tokens", "max_completion_tokens", "n", "stop", "is_stop_string", "presence_penalty", "frequency_penalty", "logit_bias_json", "logprobs", "extra", "nulls", "top_logprobs", "tools", "tool_choice", "parallel_tool_calls", "response_format", "seed", "user", "safety_identifier", "metadata", "modalities", "audio_json", "reasoning_effort", "verbosity", "service_tier", "store", "prediction_json", "prompt_cache_key", "prompt_cache_retention", "web_search_options_json", "functions_json", "function_call_json", "stream", "stream_options", "top_k", "thinking", "safety_settings_json", "cached_content", "dialect", "moderation_json", "prompt_cache_options_json", "previous_response_id", "is_answer_kept")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    IS_STOP_STRING_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_PENALTY_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_PENALTY_FIELD_NUMBER: _ClassVar[int]
    LOGIT_BIAS_JSON_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    TOP_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    SAFETY_IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    MODALITIES_FIELD_NUMBER: _ClassVar[int]
    AUDIO_JSON_FIELD_NUMBER: _ClassVar[int]
    REASONING_EFFORT_FIELD_NUMBER: _ClassVar[int]
    VERBOSITY_FIELD_NUMBER: _ClassVar[int]
    SERVICE_TIER_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_JSON_FIELD_NUMBER: _ClassVar[int]
    PROMPT_CACHE_KEY_FIELD_NUMBER: _ClassVar[int]
    PROMPT_CACHE_RETENTION_FIELD_NUMBER: _ClassVar[int]
    WEB_SEARCH_OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    FUNCTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_CALL_JSON_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    STREAM_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    THINKING_FIELD_NUMBER: _ClassVar[int]
    SAFETY_SETTINGS_JSON_FIELD_NUMBER: _ClassVar[int]
    CACHED_CONTENT_FIELD_NUMBER: _ClassVar[int]
    DIALECT_FIELD_NUMBER: _ClassVar[int]
    MODERATION_JSON_FIELD_NUMBER: _ClassVar[int]
    PROMPT_CACHE_OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    IS_ANSWER_KEPT_FIELD_NUMBER: _ClassVar[int]
    model: str
    messages: _containers.RepeatedCompositeFieldContainer[_types_pb2.Message]
    temperature: float
    top_p: float
    max_tokens: int
    max_completion_tokens: int
    n: int
    stop: _containers.RepeatedScalarFieldContainer[str]
    is_stop_string: bool
    presence_penalty: float
    frequency_penalty: float
    logit_bias_json: str
    logprobs: bool
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    top_logprobs: int
    tools: _containers.RepeatedCompositeFieldContainer[_types_pb2.Tool]
    tool_choice: _types_pb2.ToolChoice
    parallel_tool_calls: bool
    response_format: _types_pb2.ResponseFormat
    seed: int
    user: str
    safety_identifier: str
    metadata: _containers.ScalarMap[str, str]
    modalities: _containers.RepeatedScalarFieldContainer[str]
    audio_json: str
    reasoning_effort: str
    verbosity: str
    service_tier: str
    store: bool
    prediction_json: str
    prompt_cache_key: str
    prompt_cache_retention: str
    web_search_options_json: str
    functions_json: str
    function_call_json: str
    stream: bool
    stream_options: _types_pb2.StreamOptions
    top_k: int
    thinking: ThinkingConfig
    safety_settings_json: str
    cached_content: str
    dialect: str
    moderation_json: str
    prompt_cache_options_json: str
    previous_response_id: str
    is_answer_kept: bool
    def __init__(self, model: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[_types_pb2.Message, _Mapping]]] = ..., temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., max_tokens: _Optional[int] = ..., max_completion_tokens: _Optional[int] = ..., n: _Optional[int] = ..., stop: _Optional[_Iterable[str]] = ..., is_stop_string: _Optional[bool] = ..., presence_penalty: _Optional[float] = ..., frequency_penalty: _Optional[float] = ..., logit_bias_json: _Optional[str] = ..., logprobs: _Optional[bool] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ..., top_logprobs: _Optional[int] = ..., tools: _Optional[_Iterable[_Union[_types_pb2.Tool, _Mapping]]] = ..., tool_choice: _Optional[_Union[_types_pb2.ToolChoice, _Mapping]] = ..., parallel_tool_calls: _Optional[bool] = ..., response_format: _Optional[_Union[_types_pb2.ResponseFormat, _Mapping]] = ..., seed: _Optional[int] = ..., user: _Optional[str] = ..., safety_identifier: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., modalities: _Optional[_Iterable[str]] = ..., audio_json: _Optional[str] = ..., reasoning_effort: _Optional[str] = ..., verbosity: _Optional[str] = ..., service_tier: _Optional[str] = ..., store: _Optional[bool] = ..., prediction_json: _Optional[str] = ..., prompt_cache_key: _Optional[str] = ..., prompt_cache_retention: _Optional[str] = ..., web_search_options_json: _Optional[str] = ..., functions_json: _Optional[str] = ..., function_call_json: _Optional[str] = ..., stream: _Optional[bool] = ..., stream_options: _Optional[_Union[_types_pb2.StreamOptions, _Mapping]] = ..., top_k: _Optional[int] = ..., thinking: _Optional[_Union[ThinkingConfig, _Mapping]] = ..., safety_settings_json: _Optional[str] = ..., cached_content: _Optional[str] = ..., dialect: _Optional[str] = ..., moderation_json: _Optional[str] = ..., prompt_cache_options_json: _Optional[str] = ..., previous_response_id: _Optional[str] = ..., is_answer_kept: _Optional[bool] = ...) -> None: ...

class ThinkingConfig(_message.Message):
    __slots__ = ("type", "budget_tokens", "extra", "nulls")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    BUDGET_TOKENS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    type: str
    budget_tokens: int
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, type: _Optional[str] = ..., budget_tokens: _Optional[int] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class ChatResponse(_message.Message):
    __slots__ = ("id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint", "dialect", "moderation_json", "response_id", "extra", "nulls")
    ID_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    SERVICE_TIER_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DIALECT_FIELD_NUMBER: _ClassVar[int]
    MODERATION_JSON_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    id: str
    object: str
    created: int
    model: str
    choices: _containers.RepeatedCompositeFieldContainer[Choice]
    usage: _types_pb2.Usage
    service_tier: str
    system_fingerprint: str
    dialect: str
    moderation_json: str
    response_id: str
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., object: _Optional[str] = ..., created: _Optional[int] = ..., model: _Optional[str] = ..., choices: _Optional[_Iterable[_Union[Choice, _Mapping]]] = ..., usage: _Optional[_Union[_types_pb2.Usage, _Mapping]] = ..., service_tier: _Optional[str] = ..., system_fingerprint: _Optional[str] = ..., dialect: _Optional[str] = ..., moderation_json: _Optional[str] = ..., response_id: _Optional[str] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class Choice(_message.Message):
    __slots__ = ("index", "message", "finish_reason", "logprobs_json", "native_finish_reason", "stop_sequence", "extra", "nulls")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_JSON_FIELD_NUMBER: _ClassVar[int]
    NATIVE_FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    STOP_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    index: int
    message: _types_pb2.Message
    finish_reason: str
    logprobs_json: str
    native_finish_reason: str
    stop_sequence: str
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, index: _Optional[int] = ..., message: _Optional[_Union[_types_pb2.Message, _Mapping]] = ..., finish_reason: _Optional[str] = ..., logprobs_json: _Optional[str] = ..., native_finish_reason: _Optional[str] = ..., stop_sequence: _Optional[str] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class ChatChunk(_message.Message):
    __slots__ = ("id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint", "dialect", "moderation_json", "obfuscation", "is_restart", "response_id", "extra", "nulls")
    ID_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    SERVICE_TIER_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DIALECT_FIELD_NUMBER: _ClassVar[int]
    MODERATION_JSON_FIELD_NUMBER: _ClassVar[int]
    OBFUSCATION_FIELD_NUMBER: _ClassVar[int]
    IS_RESTART_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    id: str
    object: str
    created: int
    model: str
    choices: _containers.RepeatedCompositeFieldContainer[ChoiceDelta]
    usage: _types_pb2.Usage
    service_tier: str
    system_fingerprint: str
    dialect: str
    moderation_json: str
    obfuscation: str
    is_restart: bool
    response_id: str
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., object: _Optional[str] = ..., created: _Optional[int] = ..., model: _Optional[str] = ..., choices: _Optional[_Iterable[_Union[ChoiceDelta, _Mapping]]] = ..., usage: _Optional[_Union[_types_pb2.Usage, _Mapping]] = ..., service_tier: _Optional[str] = ..., system_fingerprint: _Optional[str] = ..., dialect: _Optional[str] = ..., moderation_json: _Optional[str] = ..., obfuscation: _Optional[str] = ..., is_restart: _Optional[bool] = ..., response_id: _Optional[str] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class ChoiceDelta(_message.Message):
    __slots__ = ("index", "delta", "finish_reason", "logprobs_json", "native_finish_reason", "stop_sequence", "extra", "nulls")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_JSON_FIELD_NUMBER: _ClassVar[int]
    NATIVE_FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    STOP_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    index: int
    delta: Delta
    finish_reason: str
    logprobs_json: str
    native_finish_reason: str
    stop_sequence: str
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, index: _Optional[int] = ..., delta: _Optional[_Union[Delta, _Mapping]] = ..., finish_reason: _Optional[str] = ..., logprobs_json: _Optional[str] = ..., native_finish_reason: _Optional[str] = ..., stop_sequence: _Optional[str] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class Delta(_message.Message):
    __slots__ = ("role", "blocks", "extra", "nulls")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    role: str
    blocks: _containers.RepeatedCompositeFieldContainer[BlockDelta]
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, role: _Optional[str] = ..., blocks: _Optional[_Iterable[_Union[BlockDelta, _Mapping]]] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class BlockDelta(_message.Message):
    __slots__ = ("block", "text", "refusal", "thinking", "tool", "audio", "start", "citation_json", "opaque", "stop", "extra", "nulls", "citation")
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    THINKING_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    CITATION_JSON_FIELD_NUMBER: _ClassVar[int]
    OPAQUE_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    CITATION_FIELD_NUMBER: _ClassVar[int]
    block: int
    text: str
    refusal: str
    thinking: _types_pb2.ThinkingBlock
    tool: ToolDelta
    audio: _types_pb2.AudioBlock
    start: _types_pb2.Block
    citation_json: str
    opaque: _types_pb2.OpaqueBlock
    stop: bool
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    citation: _types_pb2.Citation
    def __init__(self, block: _Optional[int] = ..., text: _Optional[str] = ..., refusal: _Optional[str] = ..., thinking: _Optional[_Union[_types_pb2.ThinkingBlock, _Mapping]] = ..., tool: _Optional[_Union[ToolDelta, _Mapping]] = ..., audio: _Optional[_Union[_types_pb2.AudioBlock, _Mapping]] = ..., start: _Optional[_Union[_types_pb2.Block, _Mapping]] = ..., citation_json: _Optional[str] = ..., opaque: _Optional[_Union[_types_pb2.OpaqueBlock, _Mapping]] = ..., stop: _Optional[bool] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ..., citation: _Optional[_Union[_types_pb2.Citation, _Mapping]] = ...) -> None: ...

class ToolDelta(_message.Message):
    __slots__ = ("index", "id", "type", "name", "arguments", "extra", "nulls")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    index: int
    id: str
    type: str
    name: str
    arguments: str
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, index: _Optional[int] = ..., id: _Optional[str] = ..., type: _Optional[str] = ..., name: _Optional[str] = ..., arguments: _Optional[str] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class TokenCount(_message.Message):
    __slots__ = ("input_tokens", "is_estimate")
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    IS_ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    input_tokens: int
    is_estimate: bool
    def __init__(self, input_tokens: _Optional[int] = ..., is_estimate: _Optional[bool] = ...) -> None: ...
