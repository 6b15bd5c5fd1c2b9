"""Which Messages requests the vendor refuses: what a translation into this format gets wrong most often.

Rules: the first thing wrong is a Refused with status 400, and its message begins with the member's path.
Not here: what is answered (anthropic.py).
"""

from typing import Any

from gateway.simulator.reply import Json, Refused

_FOREIGN = (
    *("stop", "n", "seed", "frequency_penalty", "presence_penalty", "response_format", "max_completion_tokens"),
    *("stream_options", "logprobs", "logit_bias", "parallel_tool_calls", "reasoning_effort", "user"),
)
BUDGET_MIN = 1024


def check_body(body: Json) -> None:
    """Raise Refused when a request is not of the format."""
    for name in _FOREIGN:
        if name in body:
            raise _wrong(f"{name}: Extra inputs are not permitted")
    max_tokens = body.get("max_tokens")
    if not isinstance(max_tokens, int) or max_tokens < 1:
        raise _wrong("max_tokens: Field required, at least 1")
    temperature = body.get("temperature")
    if temperature is not None and not 0 <= temperature <= 1:
        raise _wrong("temperature: range: 0..1")
    if any(not stop.strip() for stop in body.get("stop_sequences") or ()):
        raise _wrong("stop_sequences: each stop sequence must contain non-whitespace")
    _check_tools(body)
    _check_thinking(body, max_tokens)
    _check_messages(body.get("messages"))


def _check_tools(body: Json) -> None:
    for at, tool in enumerate(body.get("tools") or ()):
        schema = tool.get("input_schema")
        if tool.get("type", "custom") == "custom" and (not isinstance(schema, dict) or schema.get("type") != "object"):
            raise _wrong(f"tools.{at}.custom.input_schema.type: Field required")
    choice = body.get("tool_choice")
    if choice is not None and (not isinstance(choice, dict) or not body.get("tools")):
        raise _wrong("tool_choice: may only be specified while providing tools, as an object")


def _check_thinking(body: Json, max_tokens: int) -> None:
    thinking = body.get("thinking") or {}
    if thinking.get("type") != "enabled":
        return
    if not BUDGET_MIN <= thinking.get("budget_tokens", 0) < max_tokens:
        raise _wrong(f"thinking.enabled.budget_tokens: at least {BUDGET_MIN} and less than max_tokens")
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise _wrong("tool_choice: thinking may not be enabled when tool_choice forces tool use")
    if body.get("temperature", 1) != 1:
        raise _wrong("temperature: may only be set to 1 when thinking is enabled")


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages or not all(isinstance(item, dict) for item in messages):
        raise _wrong("messages: at least one message is required")
    called: set[str] = set()
    for at, message in enumerate(messages):
        if message.get("role") not in ("user", "assistant", "system"):
            raise _wrong(f"messages.{at}.role: Input should be 'user' or 'assistant'")
        content = message.get("content")
        if isinstance(content, str):
            blocks = [{"type": "text", "text": content}]
        elif isinstance(content, list) and all(isinstance(block, dict) for block in content):
            blocks = content
        else:
            raise _wrong(f"messages.{at}.content: Input should be a string or a list of blocks")
        asked = {block["id"] for block in blocks if block.get("type") == "tool_use"}
        _check_blocks(f"messages.{at}.content", blocks, called)
        called = asked


def _check_blocks(path: str, blocks: list[Any], called: set[str]) -> None:
    answered = {block.get("tool_use_id") for block in blocks if block.get("type") == "tool_result"}
    if answered != called:
        raise _wrong(f"{path}: every tool_use of the turn before needs its tool_result, and nothing else has one")
    for at, block in enumerate(blocks):
        kind = block.get("type")
        if kind == "text" and not block.get("text"):
            raise _wrong(f"{path}.{at}.text: text content blocks must be non-empty")
        if kind in ("image", "document") and not isinstance(block.get("source"), dict):
            raise _wrong(f"{path}.{at}.source: Field required")
        if kind == "tool_use" and not isinstance(block.get("input"), dict):
            raise _wrong(f"{path}.{at}.input: Input should be a valid dictionary")
        if kind == "thinking" and not block.get("signature"):
            raise _wrong(f"{path}.{at}.signature: Field required")
        if not isinstance(kind, str) or kind in ("image_url", "input_audio", "file", "refusal"):
            raise _wrong(f"{path}.{at}.type: Input tag does not match any of the expected tags")


def _wrong(message: str) -> Refused:
    return Refused(400, None, message)
