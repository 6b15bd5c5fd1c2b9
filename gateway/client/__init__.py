"""The public Python client of the gateway: typed messages over gRPC, async and sync.

    from gateway.client import AsyncClient, text_of

    async with AsyncClient("127.0.0.1:50051", key="gw-...") as client:
        reply = await client.chat(model="gpt-4o-mini", messages=[("user", "hi")])
        print(text_of(reply))
        async for chunk in client.stream_chat(model="gpt-4o-mini", messages="count to three"):
            print(text_of(chunk), end="")

Rules: everything public is importable from here; `v1` holds every message of the contract.
Not here: the server's classes (`gateway.wire.pb`); this package sees nothing else of the gateway.
"""

from gateway.client import accounts
from gateway.client.aio import AsyncClient, AsyncStream
from gateway.client.answers import (
    finish_reason_of,
    reasoning_of,
    refusal_of,
    text_of,
    tool_calls_of,
    tool_deltas_of,
    vectors_of,
)
from gateway.client.call import Tls
from gateway.client.content import audio, function_tool, image, message, tool_result
from gateway.client.errors import (
    AuthenticationError,
    BadRequestError,
    CallCancelledError,
    ConflictError,
    DeadlineExceededError,
    GatewayError,
    InsufficientBalanceError,
    InternalError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    StreamCutError,
    UnavailableError,
    UnimplementedError,
)
from gateway.client.generated.gateway import v1
from gateway.client.generated.gateway.v1 import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    CompletionRequest,
    CompletionResponse,
    EmbeddingRequest,
    EmbeddingResponse,
    ErrorKind,
    Message,
    Model,
    Tool,
    Usage,
)
from gateway.client.sync import Client, Stream

__all__ = [
    "AsyncClient",
    "AsyncStream",
    "AuthenticationError",
    "BadRequestError",
    "CallCancelledError",
    "ChatChunk",
    "ChatRequest",
    "ChatResponse",
    "Client",
    "CompletionRequest",
    "CompletionResponse",
    "ConflictError",
    "DeadlineExceededError",
    "EmbeddingRequest",
    "EmbeddingResponse",
    "ErrorKind",
    "GatewayError",
    "InsufficientBalanceError",
    "InternalError",
    "Message",
    "Model",
    "NotFoundError",
    "PermissionDeniedError",
    "ProviderError",
    "RateLimitError",
    "Stream",
    "StreamCutError",
    "Tls",
    "Tool",
    "UnavailableError",
    "UnimplementedError",
    "Usage",
    "accounts",
    "audio",
    "finish_reason_of",
    "function_tool",
    "image",
    "message",
    "reasoning_of",
    "refusal_of",
    "text_of",
    "tool_calls_of",
    "tool_deltas_of",
    "tool_result",
    "v1",
    "vectors_of",
]
