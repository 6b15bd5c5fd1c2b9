"""What stands between a request and a dialect that lacks some of OpenAI's ways to ask, in its order.

Rules:
    - A completion for a model that only chats has nothing else of it: the rest is for chats.
    - Functions become tools first, in the request itself, so that everything behind sees tools only.
    - A deployment that lacks nothing, and a request that asks for nothing of it, cost a look at each.
Not here:
    - The single steps (prompted.py, functions.py, freeform.py, structured.py).
"""

from __future__ import annotations

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.providers.freeform import freed
from gateway.providers.functions import calling, with_tools
from gateway.providers.prompted import chatting
from gateway.providers.structured import emulating
from gateway.providers.upstream import Dialect


def adapted(dialect: Dialect, deployment: Deployment, request: Message) -> tuple[Dialect, Message]:
    """The dialect for one request, and the request as it takes it. Raises GatewayError INVALID_REQUEST."""
    if deployment.takes_completions_as_chats:
        dialect = chatting(dialect, request)
    given = request
    if deployment.takes_functions_as_tools:
        request = with_tools(given)
    if not deployment.has_custom_tools:
        dialect = freed(dialect, request)
    if deployment.emulation:
        dialect = emulating(dialect, deployment, request)
    return (dialect if request is given else calling(dialect, given)), request
