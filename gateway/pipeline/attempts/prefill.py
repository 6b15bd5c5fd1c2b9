"""The request that asks a deployment to go on from an unfinished answer.

Rules:
    - Pure, on a copy. The delivered text is the last message, the assistant's, without the white space at its end,
      which vendors refuse; the allowed length shrinks by it.
Source: Anthropic, "Prefill Claude's response"; Mistral and DeepSeek for `prefix`; vLLM for `continue_final_message`.
Not here:
    - Which deployments accept it (config.catalogue); what is made of the answer (following.py).
"""

from __future__ import annotations

from typing import cast

from gateway.pipeline.attempts.delivered import Delivered
from gateway.pipeline.attempts.order import Order
from gateway.quota.estimate import tokens_of_text
from gateway.rpc.contract import STREAM_CHAT
from gateway.wire.foreign import extra_names
from gateway.wire.pb import chat_pb2

_CONVERSATIONS = frozenset(("messages", "contents", "input"))


def can_continue(order: Order, delivered: Delivered) -> bool:
    """Whether there is text to go on from, and nothing else; and the conversation stands in typed messages."""
    if order.method is not STREAM_CHAT or not delivered.is_kept or not (delivered.text or "").strip():
        return False
    request = cast("chat_pb2.ChatRequest", order.request)
    return request.n <= 1 and not _CONVERSATIONS.intersection(extra_names(request.extra))


def continued(order: Order, text: str) -> Order:
    """The order with `text` as the beginning of the answer."""
    asked = cast("chat_pb2.ChatRequest", order.request)
    request = chat_pb2.ChatRequest()
    request.CopyFrom(asked)
    message = request.messages.add(role="assistant")
    message.blocks.add(text=text.rstrip())
    for name in ("max_tokens", "max_completion_tokens"):
        if request.HasField(name):
            setattr(request, name, max(1, getattr(request, name) - tokens_of_text(len(text))))
    return order._replace(request=request)
