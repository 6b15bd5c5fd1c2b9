from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ContentForm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONTENT_FORM_UNSPECIFIED: _ClassVar[ContentForm]
    CONTENT_FORM_ABSENT: _ClassVar[ContentForm]
    CONTENT_FORM_NULL: _ClassVar[ContentForm]
    CONTENT_FORM_STRING: _ClassVar[ContentForm]
    CONTENT_FORM_ARRAY: _ClassVar[ContentForm]

class InputForm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INPUT_FORM_UNSPECIFIED: _ClassVar[InputForm]
    INPUT_FORM_STRING: _ClassVar[InputForm]
    INPUT_FORM_STRINGS: _ClassVar[InputForm]
    INPUT_FORM_TOKENS: _ClassVar[InputForm]
    INPUT_FORM_TOKEN_ARRAYS: _ClassVar[InputForm]
CONTENT_FORM_UNSPECIFIED: ContentForm
CONTENT_FORM_ABSENT: ContentForm
CONTENT_FORM_NULL: ContentForm
CONTENT_FORM_STRING: ContentForm
CONTENT_FORM_ARRAY: ContentForm
INPUT_FORM_UNSPECIFIED: InputForm
INPUT_FORM_STRING: InputForm
INPUT_FORM_STRINGS: InputForm
INPUT_FORM_TOKENS: InputForm
INPUT_FORM_TOKEN_ARRAYS: InputForm

class Message(_message.Message):
    __slots__ = ("role", "name", "content_form", "blocks", "annotations_json", "citations", "extra", "nulls")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FORM_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    CITATIONS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    role: str
    name: str
    content_form: ContentForm
    blocks: _containers.RepeatedCompositeFieldContainer[Block]
    annotations_json: str
    citations: _containers.RepeatedCompositeFieldContainer[Citation]
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, role: _Optional[str] = ..., name: _Optional[str] = ..., content_form: _Optional[_Union[ContentForm, str]] = ..., blocks: _Optional[_Iterable[_Union[Block, _Mapping]]] = ..., annotations_json: _Optional[str] = ..., citations: _Optional[_Iterable[_Union[Citation, _Mapping]]] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class Block(_message.Message):
    __slots__ = ("text", "refusal", "thinking", "image", "audio", "file", "tool_use", "tool_result", "document", "opaque", "is_beside_content", "citations_json", "cache_control_json", "extra", "nulls", "citations")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    THINKING_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    TOOL_USE_FIELD_NUMBER: _ClassVar[int]
    TOOL_RESULT_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    OPAQUE_FIELD_NUMBER: _ClassVar[int]
    IS_BESIDE_CONTENT_FIELD_NUMBER: _ClassVar[int]
    CITATIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    CACHE_CONTROL_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    CITATIONS_FIELD_NUMBER: _ClassVar[int]
    text: str
    refusal: str
    thinking: ThinkingBlock
    image: ImageBlock
    audio: AudioBlock
    file: FileBlock
    tool_use: ToolUseBlock
    tool_result: ToolResultBlock
    document: DocumentBlock
    opaque: OpaqueBlock
    is_beside_content: bool
    citations_json: str
    cache_control_json: str
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    citations: _containers.RepeatedCompositeFieldContainer[Citation]
    def __init__(self, text: _Optional[str] = ..., refusal: _Optional[str] = ..., thinking: _Optional[_Union[ThinkingBlock, _Mapping]] = ..., image: _Optional[_Union[ImageBlock, _Mapping]] = ..., audio: _Optional[_Union[AudioBlock, _Mapping]] = ..., file: _Optional[_Union[FileBlock, _Mapping]] = ..., tool_use: _Optional[_Union[ToolUseBlock, _Mapping]] = ..., tool_result: _Optional[_Union[ToolResultBlock, _Mapping]] = ..., document: _Optional[_Union[DocumentBlock, _Mapping]] = ..., opaque: _Optional[_Union[OpaqueBlock, _Mapping]] = ..., is_beside_content: _Optional[bool] = ..., citations_json: _Optional[str] = ..., cache_control_json: _Optional[str] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ..., citations: _Optional[_Iterable[_Union[Citation, _Mapping]]] = ...) -> None: ...

class Citation(_message.Message):
    __slots__ = ("type", "url", "title", "cited_text", "start", "end", "document_index", "file_id")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CITED_TEXT_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    type: str
    url: str
    title: str
    cited_text: str
    start: int
    end: int
    document_index: int
    file_id: str
    def __init__(self, type: _Optional[str] = ..., url: _Optional[str] = ..., title: _Optional[str] = ..., cited_text: _Optional[str] = ..., start: _Optional[int] = ..., end: _Optional[int] = ..., document_index: _Optional[int] = ..., file_id: _Optional[str] = ...) -> None: ...

class ThinkingBlock(_message.Message):
    __slots__ = ("text", "signature", "redacted", "member")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    REDACTED_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    text: str
    signature: str
    redacted: bytes
    member: str
    def __init__(self, text: _Optional[str] = ..., signature: _Optional[str] = ..., redacted: _Optional[bytes] = ..., member: _Optional[str] = ...) -> None: ...

class ImageBlock(_message.Message):
    __slots__ = ("url", "data", "file_id", "media_type", "detail", "is_bare", "extra", "nulls")
    URL_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    IS_BARE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    url: str
    data: bytes
    file_id: str
    media_type: str
    detail: str
    is_bare: bool
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, url: _Optional[str] = ..., data: _Optional[bytes] = ..., file_id: _Optional[str] = ..., media_type: _Optional[str] = ..., detail: _Optional[str] = ..., is_bare: _Optional[bool] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class AudioBlock(_message.Message):
    __slots__ = ("data", "format", "id", "transcript", "expires_at", "extra", "nulls")
    DATA_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    format: str
    id: str
    transcript: str
    expires_at: int
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, data: _Optional[bytes] = ..., format: _Optional[str] = ..., id: _Optional[str] = ..., transcript: _Optional[str] = ..., expires_at: _Optional[int] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class FileBlock(_message.Message):
    __slots__ = ("data", "file_id", "filename", "media_type", "url", "extra", "nulls")
    DATA_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    file_id: str
    filename: str
    media_type: str
    url: str
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, data: _Optional[bytes] = ..., file_id: _Optional[str] = ..., filename: _Optional[str] = ..., media_type: _Optional[str] = ..., url: _Optional[str] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class DocumentBlock(_message.Message):
    __slots__ = ("data", "url", "text", "file_id", "content_json", "media_type", "title", "context", "citations_config_json", "extra", "nulls")
    DATA_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    CITATIONS_CONFIG_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    url: str
    text: str
    file_id: str
    content_json: str
    media_type: str
    title: str
    context: str
    citations_config_json: str
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, data: _Optional[bytes] = ..., url: _Optional[str] = ..., text: _Optional[str] = ..., file_id: _Optional[str] = ..., content_json: _Optional[str] = ..., media_type: _Optional[str] = ..., title: _Optional[str] = ..., context: _Optional[str] = ..., citations_config_json: _Optional[str] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class ToolUseBlock(_message.Message):
    __slots__ = ("id", "type", "name", "arguments", "index", "extra", "nulls")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: str
    name: str
    arguments: str
    index: int
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., type: _Optional[str] = ..., name: _Optional[str] = ..., arguments: _Optional[str] = ..., index: _Optional[int] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class ToolResultBlock(_message.Message):
    __slots__ = ("tool_use_id", "content_form", "blocks", "is_error", "extra", "nulls")
    TOOL_USE_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FORM_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    IS_ERROR_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    tool_use_id: str
    content_form: ContentForm
    blocks: _containers.RepeatedCompositeFieldContainer[Block]
    is_error: bool
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tool_use_id: _Optional[str] = ..., content_form: _Optional[_Union[ContentForm, str]] = ..., blocks: _Optional[_Iterable[_Union[Block, _Mapping]]] = ..., is_error: _Optional[bool] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class OpaqueBlock(_message.Message):
    __slots__ = ("dialect", "json")
    DIALECT_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    dialect: str
    json: str
    def __init__(self, dialect: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...

class Tool(_message.Message):
    __slots__ = ("type", "function", "custom_json", "cache_control_json", "extra", "nulls")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_JSON_FIELD_NUMBER: _ClassVar[int]
    CACHE_CONTROL_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    type: str
    function: FunctionTool
    custom_json: str
    cache_control_json: str
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, type: _Optional[str] = ..., function: _Optional[_Union[FunctionTool, _Mapping]] = ..., custom_json: _Optional[str] = ..., cache_control_json: _Optional[str] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class FunctionTool(_message.Message):
    __slots__ = ("name", "description", "parameters_json", "strict", "extra", "nulls")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_JSON_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    parameters_json: str
    strict: bool
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., parameters_json: _Optional[str] = ..., strict: _Optional[bool] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class ToolChoice(_message.Message):
    __slots__ = ("mode", "type", "name", "allowed_tools_json")
    MODE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_TOOLS_JSON_FIELD_NUMBER: _ClassVar[int]
    mode: str
    type: str
    name: str
    allowed_tools_json: str
    def __init__(self, mode: _Optional[str] = ..., type: _Optional[str] = ..., name: _Optional[str] = ..., allowed_tools_json: _Optional[str] = ...) -> None: ...

class ResponseFormat(_message.Message):
    __slots__ = ("type", "json_schema", "extra", "nulls")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    JSON_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    type: str
    json_schema: JsonSchemaFormat
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, type: _Optional[str] = ..., json_schema: _Optional[_Union[JsonSchemaFormat, _Mapping]] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class JsonSchemaFormat(_message.Message):
    __slots__ = ("name", "description", "schema_json", "strict", "extra", "nulls")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    schema_json: str
    strict: bool
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., schema_json: _Optional[str] = ..., strict: _Optional[bool] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details", "is_estimate", "is_partial", "service_tier", "extra", "nulls")
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_DETAILS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_DETAILS_FIELD_NUMBER: _ClassVar[int]
    IS_ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    IS_PARTIAL_FIELD_NUMBER: _ClassVar[int]
    SERVICE_TIER_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails
    is_estimate: bool
    is_partial: bool
    service_tier: str
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., total_tokens: _Optional[int] = ..., prompt_tokens_details: _Optional[_Union[PromptTokensDetails, _Mapping]] = ..., completion_tokens_details: _Optional[_Union[CompletionTokensDetails, _Mapping]] = ..., is_estimate: _Optional[bool] = ..., is_partial: _Optional[bool] = ..., service_tier: _Optional[str] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class PromptTokensDetails(_message.Message):
    __slots__ = ("cached_tokens", "audio_tokens", "cache_write_tokens", "text_tokens", "image_tokens", "extra", "nulls")
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHE_WRITE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    cached_tokens: int
    audio_tokens: int
    cache_write_tokens: int
    text_tokens: int
    image_tokens: int
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, cached_tokens: _Optional[int] = ..., audio_tokens: _Optional[int] = ..., cache_write_tokens: _Optional[int] = ..., text_tokens: _Optional[int] = ..., image_tokens: _Optional[int] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class CompletionTokensDetails(_message.Message):
    __slots__ = ("reasoning_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens", "text_tokens", "image_tokens", "extra", "nulls")
    REASONING_TOKENS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_PREDICTION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REJECTED_PREDICTION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    reasoning_tokens: int
    audio_tokens: int
    accepted_prediction_tokens: int
    rejected_prediction_tokens: int
    text_tokens: int
    image_tokens: int
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, reasoning_tokens: _Optional[int] = ..., audio_tokens: _Optional[int] = ..., accepted_prediction_tokens: _Optional[int] = ..., rejected_prediction_tokens: _Optional[int] = ..., text_tokens: _Optional[int] = ..., image_tokens: _Optional[int] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class StreamOptions(_message.Message):
    __slots__ = ("include_usage", "include_obfuscation", "extra", "nulls")
    INCLUDE_USAGE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_OBFUSCATION_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    include_usage: bool
    include_obfuscation: bool
    extra: str
    nulls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, include_usage: _Optional[bool] = ..., include_obfuscation: _Optional[bool] = ..., extra: _Optional[str] = ..., nulls: _Optional[_Iterable[str]] = ...) -> None: ...

class TextInput(_message.Message):
    __slots__ = ("form", "texts", "tokens")
    FORM_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    form: InputForm
    texts: _containers.RepeatedScalarFieldContainer[str]
    tokens: _containers.RepeatedCompositeFieldContainer[TokenSequence]
    def __init__(self, form: _Optional[_Union[InputForm, str]] = ..., texts: _Optional[_Iterable[str]] = ..., tokens: _Optional[_Iterable[_Union[TokenSequence, _Mapping]]] = ...) -> None: ...

class TokenSequence(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, ids: _Optional[_Iterable[int]] = ...) -> None: ...
