"""A stream of this dialect for clients of others: chunks as OpenAI's format has them.

Rules:
- One chunk opens the answer (role), one ends it (finish_reason); usage comes in a chunk of its own after that, when it
  was asked for. Every chunk has the id, model and time of the first.
- Pings, ends of blocks, and blocks only this dialect knows (tools the vendor runs itself) are left out.
- Input of JSON_TOOL is the text of the answer, and a call of it alone is no call of tools.
- Usage is cumulative: what the end reports wins, what it does not mention stays as the beginning said.

Not here: reading events (events.py), whether the stream was complete (the provider's dialect).
"""

from typing import Final

from gateway.wire.anthropic.mapping import JSON_TOOL
from gateway.wire.anthropic.usage import counts_of, set_counts
from gateway.wire.pb import chat_pb2, types_pb2

OBJECT: Final = "chat.completion.chunk"
_DROPPED, _PLAIN, _JSON = "dropped", "plain", "json"


class UsageSum:
    """The usage of a stream so far."""

    __slots__ = ("_counts", "usage")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self.usage: types_pb2.Usage | None = None

    def add(self, usage: types_pb2.Usage) -> None:
        """Take one more report."""
        self._counts |= counts_of(usage)
        tier = usage.service_tier or (self.usage.service_tier if self.usage is not None else "")
        self.usage = types_pb2.Usage(service_tier=tier)
        set_counts(self.usage, self._counts)


class Canonical:
    """One stream. `created_unix_s` is the time its chunks tell; `passes`: a `str` event may pass as it is."""

    __slots__ = ("_blocks", "_has_call", "_head", "_is_usage_wanted", "_usage", "passes")

    def __init__(self, created_unix_s: int, *, is_usage_wanted: bool) -> None:
        self._head = chat_pb2.ChatChunk(object=OBJECT, created=created_unix_s)
        self._is_usage_wanted = is_usage_wanted
        self._usage = UsageSum()
        self._blocks: dict[int, str] = {}
        self._has_call = False
        self.passes = False

    def chunks(self, event: chat_pb2.ChatChunk | str) -> list[chat_pb2.ChatChunk | str]:
        """What an event of this dialect is for other clients."""
        if isinstance(event, str):
            return [event] if self.passes else []
        if event.HasField("usage"):
            self._usage.add(event.usage)
        if event.HasField("id") or event.HasField("model"):
            self._head.id, self._head.model = event.id, event.model
        made: list[chat_pb2.ChatChunk | str] = []
        for choice in event.choices:
            if choice.finish_reason:
                made += self._ending(choice)
            elif choice.delta.HasField("role"):
                made.append(self._made(choice.delta))
            else:
                made += [
                    self._made(chat_pb2.Delta(blocks=[b])) for block in choice.delta.blocks for b in self._of(block)
                ]
        self.passes = bool(made)
        return made

    def _made(self, delta: chat_pb2.Delta, finish_reason: str | None = None) -> chat_pb2.ChatChunk:
        chunk = chat_pb2.ChatChunk()
        chunk.CopyFrom(self._head)
        choice = chunk.choices.add(index=0, delta=delta)
        if finish_reason is not None:
            choice.finish_reason = finish_reason
        return chunk

    def _ending(self, choice: chat_pb2.ChoiceDelta) -> list[chat_pb2.ChatChunk | str]:
        reason = choice.finish_reason
        if reason == "tool_calls" and not self._has_call and _JSON in self._blocks.values():
            reason = "stop"
        end = self._made(chat_pb2.Delta(), reason)
        if not self._is_usage_wanted or self._usage.usage is None:
            return [end]
        report = chat_pb2.ChatChunk(usage=self._usage.usage)
        report.MergeFrom(self._head)
        return [end, report]

    def _of(self, block: chat_pb2.BlockDelta) -> list[chat_pb2.BlockDelta]:
        kind = block.WhichOneof("kind")
        if kind == "start":
            return self._started(block)
        if kind in ("stop", "opaque", None) or self._blocks.get(block.block) == _DROPPED:
            return []
        if kind == "tool" and self._blocks.get(block.block) == _JSON:
            return [chat_pb2.BlockDelta(block=block.block, text=block.tool.arguments)]
        return [block]

    def _started(self, block: chat_pb2.BlockDelta) -> list[chat_pb2.BlockDelta]:
        start, kind = block.start, block.start.WhichOneof("kind")
        self._blocks[block.block] = _PLAIN
        if kind == "text":
            return [chat_pb2.BlockDelta(block=block.block, text=start.text)] if start.text else []
        if kind == "thinking":
            has_proof = start.thinking.redacted or start.thinking.text
            return [chat_pb2.BlockDelta(block=block.block, thinking=start.thinking)] if has_proof else []
        if kind != "tool_use":
            self._blocks[block.block] = _DROPPED
            return []
        call = start.tool_use
        if call.name == JSON_TOOL:
            self._blocks[block.block] = _JSON
            return [chat_pb2.BlockDelta(block=block.block, text=call.arguments)] if call.arguments else []
        self._has_call = True
        plain = types_pb2.ToolUseBlock(id=call.id, name=call.name, arguments=call.arguments)
        return [chat_pb2.BlockDelta(block=block.block, start=types_pb2.Block(tool_use=plain))]


def without_json_tool(response: chat_pb2.ChatResponse) -> None:
    """Turn calls of JSON_TOOL in a whole answer into its text."""
    for choice in response.choices:
        blocks = choice.message.blocks
        found = [block for block in blocks if block.tool_use.name == JSON_TOOL]
        for block in found:
            words = block.tool_use.arguments
            block.Clear()
            block.text = words
        if found and choice.finish_reason == "tool_calls" and not any(block.HasField("tool_use") for block in blocks):
            choice.finish_reason = "stop"
            choice.native_finish_reason = "end_turn"
