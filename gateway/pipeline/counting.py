"""What a call uses, counted here: for models that count characters, and for exact tokens where a provider reports none.

Rules:
    - Off unless the model says so (`Entry.counting`); then the request is counted before it is sent, the answer as it
      passes.
    - Characters are Unicode code points of what is said: texts, refusals, arguments and results of tools.
    - Tokens of a chat are counted as OpenAI does (3 for each message, its role and name, 3 for the answer's head); that
      is exact for texts alone, and an estimate beside tools and media.
    - Memory is bounded: text that waits to be counted is cut at white space, where tokens end.
Not here:
    - Encodings (quota.tokenizers); answers that pass (counted.py); what is charged (settle.py).
"""

from __future__ import annotations

import asyncio
from typing import Final

from google.protobuf.message import Message

from gateway.config.catalogue import CHARACTERS, Entry
from gateway.quota.estimate import MEDIA_TOKENS
from gateway.quota.tokenizers import Count, load
from gateway.wire.pb import chat_pb2, completions_pb2, embeddings_pb2, types_pb2

MESSAGE_TOKENS: Final = 3
ANSWER_TOKENS: Final = 3
WAITING_MAX_CHARS: Final = 65_536
IN_THREAD_CHARS: Final = 100_000
_MEDIA: Final = frozenset(("image", "audio", "file", "document"))


class Counting:
    """The count of one call. `is_exact`: it is what OpenAI would count; `is_unit`: the model counts so itself."""

    __slots__ = ("_count", "_done", "_waiting", "_waiting_chars", "is_exact", "is_unit", "prompt")

    def __init__(self, count: Count, *, is_unit: bool) -> None:
        self._count = count
        self._done = 0
        self._waiting: list[str] = []
        self._waiting_chars = 0
        self.is_unit = is_unit
        self.is_exact = True
        self.prompt = 0

    def ask(self, request: Message) -> None:
        """Count a request."""
        if isinstance(request, chat_pb2.ChatRequest):
            self.prompt = self._chat(request)
        elif isinstance(request, completions_pb2.CompletionRequest):
            self.prompt = self._texts(request.prompt)
        elif isinstance(request, embeddings_pb2.EmbeddingRequest):
            self.prompt = self._texts(request.input)

    def hear(self, text: str) -> None:
        """Count more of the answer."""
        self._waiting.append(text)
        self._waiting_chars += len(text)
        if self._waiting_chars > WAITING_MAX_CHARS:
            whole = "".join(self._waiting)
            at = max(whole.rfind(" "), whole.rfind("\n"))
            at = at if at > 0 else len(whole)
            self._done += self._count(whole[:at])
            self._waiting, self._waiting_chars = [whole[at:]], len(whole) - at

    @property
    def completion(self) -> int:
        """What the answer has so far."""
        return self._done + self._count("".join(self._waiting))

    def usage(self) -> types_pb2.Usage:
        """Both, as they stand."""
        completion = self.completion
        return types_pb2.Usage(
            prompt_tokens=self.prompt,
            completion_tokens=completion,
            total_tokens=self.prompt + completion,
            is_estimate=not self.is_exact,
        )

    def _texts(self, given: types_pb2.TextInput) -> int:
        return sum(map(self._count, given.texts)) + sum(len(sequence.ids) for sequence in given.tokens)

    def _chat(self, request: chat_pb2.ChatRequest) -> int:
        total = 0 if self.is_unit else ANSWER_TOKENS
        for message in request.messages:
            if not self.is_unit:
                total += MESSAGE_TOKENS + self._count(message.role)
                total += self._count(message.name) + 1 if message.name else 0
            total += sum(map(self._block, message.blocks))
        if request.tools and not self.is_unit:
            self.is_exact = False
            functions = [tool.function for tool in request.tools]
            total += sum(self._count(f"{f.name}{f.description}{f.parameters_json}") for f in functions)
        return total

    def _block(self, block: types_pb2.Block) -> int:
        kind = block.WhichOneof("kind")
        if kind in ("text", "refusal"):
            return self._count(block.text or block.refusal)
        self.is_exact = self.is_exact and self.is_unit
        if kind == "tool_use":
            return self._count(block.tool_use.arguments)
        if kind == "tool_result":
            return sum(map(self._block, block.tool_result.blocks))
        return MEDIA_TOKENS if kind in _MEDIA and not self.is_unit else 0


async def counting_of(entry: Entry, request: Message) -> Counting:
    """The count of a request; a long one, and the first of an encoding, in a thread."""
    if entry.counting == CHARACTERS:
        counting = Counting(len, is_unit=True)
    else:
        counting = Counting(await asyncio.to_thread(load, entry.counting), is_unit=False)
    if request.ByteSize() > IN_THREAD_CHARS:
        await asyncio.to_thread(counting.ask, request)
    else:
        counting.ask(request)
    return counting
