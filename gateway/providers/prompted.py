"""A dialect for a model that only chats, for one legacy text completion.

Rules:
    - It is the dialect itself in everything but the request it sends and the answer it reads; a whole answer is then
      never passed on as bytes. The method stays the caller's.
    - What is unsupported is told by the names of a completion.
Not here:
    - How a completion becomes a chat (wire.prompted); which deployments take them so (config.catalogue).
"""

from __future__ import annotations

from typing import Any, cast

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError, Kind
from gateway.providers.outgoing import not_json
from gateway.providers.upstream import Dialect, StreamDecoder, UpstreamRequest
from gateway.providers.wrapped import ChangedStream, Wrapped
from gateway.rpc.contract import CHAT, STREAM_CHAT, Method
from gateway.wire import prompted
from gateway.wire.json import JsonInvalid
from gateway.wire.pb import chat_pb2, completions_pb2, types_pb2

PROMPT = (
    "This model only chats: `prompt` must be one text, or a list of one. "
    "Send several prompts as several requests, and token ids to a model of text completions."
)


def chatting(dialect: Dialect, request: Message) -> Dialect:
    """The dialect for one request to a deployment that takes completions as chats."""
    if type(request) is not completions_pb2.CompletionRequest:
        return dialect
    return Prompted(dialect, echo=(prompted.prompt_of(request) or "") if request.echo else "")


class Prompted(Wrapped):
    """See `Dialect`. `echo` is what each text begins with."""

    __slots__ = ("_echo",)

    def __init__(self, dialect: Dialect, *, echo: str) -> None:
        super().__init__(dialect)
        self._echo = echo

    def encode(self, method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
        """The HTTP request for a call; `model` is the name the client sent.

        Raises GatewayError UNSUPPORTED_PARAMETER for a prompt that is not one text.
        """
        asked: Any = request
        if prompted.prompt_of(asked) is None:
            raise GatewayError(Kind.UNSUPPORTED_PARAMETER, PROMPT, param="prompt")
        unsupported: list[str] = []
        try:
            chat = prompted.as_chat(asked, unsupported)
        except JsonInvalid as error:
            raise not_json(error) from error
        made = self._dialect.encode(_of_chats(method), chat, deployment, model)
        return made._replace(unsupported=tuple(unsupported) + tuple(map(_own_path, made.unsupported)))

    def decode_reply(self, method: Method, body: bytes) -> Message:
        """A whole answer. Raises GatewayError PROVIDER_INVALID when it is not of the format."""
        reply: Any = self._dialect.decode_reply(_of_chats(method), body)
        return prompted.answered(reply, self._echo)

    def usage_of_reply(self, method: Method, body: bytes) -> types_pb2.Usage | None:
        """The usage in a whole answer that its reader gets as it is. Raises as `decode_reply` does."""
        return self._dialect.usage_of_reply(_of_chats(method), body)

    def stream_decoder(self, method: Method, request: Message, deployment: Deployment) -> StreamDecoder:
        """A decoder for one stream."""
        asked: Any = request
        chat = chat_pb2.ChatRequest(model=asked.model, stream_options=asked.stream_options)
        decoder = self._dialect.stream_decoder(_of_chats(method), chat, deployment)
        return cast("StreamDecoder", ChangedStream(decoder, prompted.Texts(self._echo)))


def _of_chats(method: Method) -> Method:
    return STREAM_CHAT if method.is_stream else CHAT


def _own_path(path: str) -> str:
    """A path of the chat as the completion names it."""
    return prompted.PATHS.get(path.partition("[")[0], path)
