"""One request of the Accounts service, from its credential to its reply, whichever protocol it came by.

Rules:
    - Only the methods that make or end a session are open to all; every other has an identity first, and the
      administrators' have the role checked here, once.
    - No answer is stored by anything on its way: there may be a key or a token in it.
Not here:
    - What the methods do (own, admin).
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from gateway.accounts.book import Accounts
from gateway.accounts.shared import Actor
from gateway.core.errors import GatewayError, Kind
from gateway.pipeline.identify import identify
from gateway.pipeline.kit import Kit
from gateway.rpc.contract import CallContext, Head, Item, Method, Tail
from gateway.service.accounts.admin import ADMIN
from gateway.service.accounts.caller import Asked
from gateway.service.accounts.insight import INSIGHT, OPEN_BY_PROFILE
from gateway.service.accounts.own import OPEN_TO_ALL, OWN


async def ask_accounts(kit: Kit, method: Method, request: Message, context: CallContext) -> list[Item]:
    """The items of one request. Raises GatewayError."""
    _check_texts(request)
    reply = await _reply(kit, method, request, context)
    headers = {"x-gateway-generation": str(kit.runtime.generation), "cache-control": "no-store"}
    return [Head(headers), [reply], Tail({})]


def _check_texts(request: Message) -> None:
    """Refuse NUL wherever it stands: no database and no terminal takes it well."""
    for field, value in request.ListFields():
        if _has_nul(value):
            raise GatewayError(Kind.INVALID_REQUEST, f"`{field.name}` holds a NUL character.", param=field.name)


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Message):
        return any(_has_nul(part) for _, part in value.ListFields())
    return hasattr(value, "__iter__") and any(map(_has_nul, value))  # lists, and the names of maps


async def _reply(kit: Kit, method: Method, request: Any, context: CallContext) -> Message:
    accounts, runtime = kit.accounts, kit.runtime
    if accounts is None:
        raise GatewayError(Kind.UNIMPLEMENTED, "This gateway has no accounts (accounts.enabled).", code="accounts_off")
    if method.name in OPEN_TO_ALL:
        nobody = Actor("anonymous", context.peer, context.request_id, runtime.generation)
        return await OPEN_TO_ALL[method.name](accounts, request, nobody, context.credential)
    if method.name in OPEN_BY_PROFILE:
        return await _seen(kit, accounts, method.name, request, context)
    identity = await identify(kit, runtime, context)
    who = Actor(identity.actor, context.peer, context.request_id, runtime.generation)
    asked = Asked(request, identity, who, accounts, runtime.config, context)
    if method.name in ADMIN:
        asked.administer()
        return await ADMIN[method.name](asked)
    return await (OWN.get(method.name) or INSIGHT[method.name])(asked)


async def _seen(kit: Kit, accounts: Accounts, method: str, request: Any, context: CallContext) -> Message:
    """What everybody may see where the profile says so: else prices need a key, and statistics an administrator."""
    switch, seen = OPEN_BY_PROFILE[method]
    profile = kit.runtime.config.profiles.get(context.profile or "default")
    is_open = profile is not None and getattr(profile, switch)
    identity = None
    if not is_open or context.credential:
        identity = await identify(kit, kit.runtime, context)
        if not is_open and method == "GetStats" and not identity.is_admin:
            raise GatewayError(Kind.PERMISSION_DENIED, "This is for administrators.", code="admin_required")
    return await seen(kit, accounts, request, identity)
