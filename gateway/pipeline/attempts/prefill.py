"""The request that asks a deployment to go on from an unfinished answer.

Rules:
    - Pure, on a copy. The delivered text is the last message, the assistant's, without the white space at its end,
      which vendors refuse; the allowed length shrinks by it.
    - What a vendor wants said beside it is the candidate's configuration: in the body (`prefill_force`), in the message
      (`prefill_message`, for requests of OpenAI's format).
Source: Anthropic, "Prefill Claude's response"; Mistral and DeepSeek for `prefix`; vLLM for `continue_final_message`.
Not here:
    - Which deployments accept it (config.catalogue); what is made of the answer (following.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from gateway.config.catalogue import Deployment
from gateway.pipeline.attempts.delivered import Delivered
from gateway.pipeline.attempts.order import Order
from gateway.quota.estimate import tokens_of_text
from gateway.rpc.contract import STREAM_CHAT
from gateway.wire.foreign import OPENAI, extra_names
from gateway.wire.json import dumps
from gateway.wire.pb import chat_pb2

_CONVERSATIONS = frozenset(("messages", "contents", "input"))


def can_continue(order: Order, delivered: Delivered) -> bool:
    """Whether there is text to go on from, and nothing else; and the conversation stands in typed messages."""
    if order.method is not STREAM_CHAT or not delivered.is_kept or not (delivered.text or "").strip():
        return False
    request = cast("chat_pb2.ChatRequest", order.request)
    return request.n <= 1 and not _CONVERSATIONS.intersection(extra_names(request.extra))


def continued(order: Order, text: str, deployment: Deployment) -> Order:
    """The order with `text` as the beginning of the answer, as this deployment takes it."""
    asked = cast("chat_pb2.ChatRequest", order.request)
    request = chat_pb2.ChatRequest()
    request.CopyFrom(asked)
    message = request.messages.add(role="assistant")
    message.blocks.add(text=text.rstrip())
    if deployment.prefill_message and request.dialect in OPENAI:
        message.extra = dumps(dict(deployment.prefill_message)).decode()
    for name in ("max_tokens", "max_completion_tokens"):
        if request.HasField(name):
            setattr(request, name, max(1, getattr(request, name) - tokens_of_text(len(text))))
    sent_as = None
    if deployment.prefill_force:
        sent_as = replace(deployment, force={**deployment.force, **deployment.prefill_force})
    return order._replace(request=request, sent_as=sent_as)
