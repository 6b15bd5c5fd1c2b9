"""One question to the service whose answer is shown in other words than its own.

Rules:
    - The head of the call is kept for the answer's headers; the generator is closed whatever happens.

Not here: answers in the contract's own words (inference.answer_whole).
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message

from gateway.core.errors import GatewayError, Kind
from gateway.frontend.inference import context_of
from gateway.frontend.reply import Reply
from gateway.rpc.contract import ACCOUNT_METHODS, Caller, Head


async def told(caller: Caller, name: str, reply: Reply, /, *, has_credential: bool = True, **members: Any) -> Any:
    """The reply of the Accounts method `name`, asked with these members. Raises GatewayError."""
    method = ACCOUNT_METHODS[name]
    return await answer_of(caller, name, method.request(**members), reply, has_credential=has_credential)


async def answer_of(caller: Caller, name: str, request: Message, reply: Reply, *, has_credential: bool = True) -> Any:
    """The reply of the Accounts method `name` to a message. Raises GatewayError."""
    answer: Any = None
    items = caller(ACCOUNT_METHODS[name], request, context_of(reply, has_credential=has_credential))
    async with aclosing(items):
        async for item in items:
            if isinstance(item, list):
                answer = item[-1]
            elif isinstance(item, Head):
                reply.headers = item.headers
    if answer is None:
        raise GatewayError(Kind.INTERNAL, "The call ended without an answer.")
    return answer
