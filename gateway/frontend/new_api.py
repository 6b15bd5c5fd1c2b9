"""new-api's paths: `/api/*` in its envelope, billing of old dashboards, and what is not implemented there.

Rules:
    - Only profiles with the endpoints `new_api` and `billing` have them; nothing is decided here: every answer is the
      service's, in new-api's words.
    - The envelope is `{success, message, data}` with status 200 also for failures, as its clients expect; 401 where no
      credential was sent, 429 and 503 where coming again helps.
    - Pages count from 0 (`p`); a key is shown whole once, in the reply that makes it.

Source: new-api's management API and one-api's billing endpoints.

Not here: shapes (new_api_json.py), `/api/status` (status.py), channels and options (the configuration's).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote

from gateway.core.errors import GatewayError, Kind
from gateway.frontend import answer
from gateway.frontend import new_api_json as shapes
from gateway.frontend.asking import answer_of, told
from gateway.frontend.body import read_json
from gateway.frontend.context import query_of
from gateway.frontend.reply import Reply
from gateway.rpc.contract import Caller
from gateway.wire import json

Endpoint = Callable[[Reply], Awaitable[None]]
Ask = Callable[[Caller, Reply, Mapping[str, str]], Awaitable[Any]]
GROUP, BILLING = "new_api", "billing"
PAGE, PAGES_MAX = 20, 100
_SPOKEN_STATUS = {Kind.MISSING_KEY, Kind.RATE_LIMITED, Kind.UNAVAILABLE, Kind.INTERNAL, Kind.OVERLOADED}


async def _body(reply: Reply) -> dict[str, Any]:
    body, reply.received_bytes = await read_json(reply.request, reply.http, reply.hold)
    return body


def _query(reply: Reply) -> dict[str, str]:
    return query_of(reply.request.raw_path)


async def register(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """An account; its email is the user name."""
    body = await _body(reply)
    email = shapes.text(body, "email" if body.get("email") else "username")
    await told(caller, "Register", reply, has_credential=False, email=email, password=shapes.text(body, "password"))
    return None


async def log_in(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """The user, and the token for `authorization`."""
    body = await _body(reply)
    email, password = shapes.text(body, "username"), shapes.text(body, "password")
    session = await told(caller, "LogIn", reply, has_credential=False, email=email, password=password)
    return {**shapes.user(session.user), "token": session.token}


async def log_out(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """The session ends."""
    await told(caller, "LogOut", reply)


async def show_self(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """Who asks, with quota left and used."""
    return shapes.user(await told(caller, "GetMe", reply), await told(caller, "GetBilling", reply))


async def change_self(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """A new password."""
    body = await _body(reply)
    old, new = shapes.text(body, "original_password"), shapes.text(body, "password")
    await told(caller, "ChangePassword", reply, old_password=old, new_password=new)


async def list_own_models(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """Names."""
    return [each.model.id for each in (await told(caller, "ListPrices", reply)).models]


async def list_own_groups(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """Groups with their ratios."""
    found = (await told(caller, "ListPrices", reply)).groups
    return {group.id: {"ratio": group.ratio_ppm / 1_000_000, "desc": group.name} for group in found}


async def redeem(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """A code for quota: how much it was worth."""
    before = (await told(caller, "GetWallet", reply)).balance_usd_micros
    wallet = await told(caller, "Redeem", reply, code=shapes.text(await _body(reply), "key"))
    return shapes.quota(wallet.balance_usd_micros - before)


async def list_users(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """One page of everybody."""
    page = await _page(caller, reply, "ListUsers", {"contains": _query(reply).get("keyword", "")})
    return [shapes.user(user) for user in page.users]


async def show_user(caller: Caller, reply: Reply, parts: Mapping[str, str]) -> Any:
    """One user."""
    return shapes.user(await told(caller, "GetUser", reply, id=parts["id"]))


async def create_user(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """By an administrator."""
    body = await _body(reply)
    wanted: dict[str, Any] = {"email": shapes.text(body, "username"), "password": shapes.text(body, "password")}
    await told(caller, "CreateUser", reply, **wanted)


async def manage_user(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """`enable`, `disable`, `promote` or `demote`; `delete` is to disable: books are kept."""
    body = await _body(reply)
    action = shapes.text(body, "action")
    changes: dict[str, dict[str, Any]] = {
        "enable": {"is_blocked": False},
        "disable": {"is_blocked": True},
        "delete": {"is_blocked": True},
        "promote": {"role": "admin"},
        "demote": {"role": "user"},
    }
    if action not in changes:
        raise GatewayError(Kind.INVALID_REQUEST, f"`action` must be one of {', '.join(changes)}.", param="action")
    return shapes.user(await told(caller, "UpdateUser", reply, id=shapes.text(body, "id"), **changes[action]))


async def update_user(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """Group, name, password; and quota, as a correction of the wallet."""
    body = await _body(reply)
    names = {"display_name": "username", "group": "group", "password": "password"}
    changes: dict[str, Any] = {ours: shapes.text(body, theirs) for theirs, ours in names.items() if body.get(theirs)}
    user_id = shapes.text(body, "id")
    user = await told(caller, "UpdateUser", reply, id=user_id, **changes)
    if isinstance(wanted := body.get("quota"), int):
        has = (await told(caller, "GetWallet", reply, user_id=user_id)).balance_usd_micros
        difference = wanted * shapes.MICROS_PER_UNIT - has
        if difference:
            change = {"kind": "adjust", "amount_usd_micros": difference, "idempotency_key": reply.request_id}
            await told(caller, "ChangeWallet", reply, user_id=user_id, **change)
    return shapes.user(user)


async def list_tokens(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """One page of the own keys that are not revoked; `keyword` is a part of the name."""
    page = await _page(caller, reply, "ListKeys", {})
    keyword, now_ms = _query(reply).get("keyword", ""), _now_ms()
    return [shapes.token(key, now_ms) for key in page.keys if not key.is_revoked and keyword in key.name]


async def show_token(caller: Caller, reply: Reply, parts: Mapping[str, str]) -> Any:
    """One key."""
    return shapes.token(await _live_key(caller, reply, parts["id"]), _now_ms())


async def create_token(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """A key, shown whole."""
    request = shapes.new_key(await _body(reply), reply.profile.name)
    key = await answer_of(caller, "CreateKey", request, reply)
    return shapes.token(key, _now_ms(), key.key)


async def update_token(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """Change a key; with `?status_only=` only whether it works."""
    body = await _body(reply)
    known = await _live_key(caller, reply, shapes.text(body, "id"))
    request = shapes.key_changes(body, known, is_status_only=bool(_query(reply).get("status_only")))
    return shapes.token(await answer_of(caller, "UpdateKey", request, reply), _now_ms())


async def delete_token(caller: Caller, reply: Reply, parts: Mapping[str, str]) -> Any:
    """Revoke a key."""
    await told(caller, "RevokeKey", reply, id=parts["id"])


async def _live_key(caller: Caller, reply: Reply, key_id: str) -> Any:
    key = await told(caller, "GetKey", reply, id=key_id)
    if key.is_revoked:
        raise GatewayError(Kind.NOT_FOUND, "There is no such key.", code="key_not_found")
    return key


async def list_logs(caller: Caller, reply: Reply, _parts: Mapping[str, str], *, is_own: bool) -> Any:
    """One page of calls, newest first."""
    page = await _page(caller, reply, "ListCalls", _which(reply, is_own=is_own))
    return [shapes.log(call) for call in page.calls]


async def log_stat(caller: Caller, reply: Reply, _parts: Mapping[str, str], *, is_own: bool) -> Any:
    """Quota used in the time asked for; requests and tokens of the last minute, up to a page of them."""
    which = _which(reply, is_own=is_own)
    times = {name: which[name] for name in ("from_ms", "until_ms") if name in which}
    usage = await told(caller, "GetUsage", reply, is_of_everybody=not is_own, **times)
    sums = [each for each in usage.sums if which.get("model", each.of) == each.of]
    minute = {**which, "from_ms": _now_ms() - 60_000, "page_size": 500}
    minute.pop("until_ms", None)
    latest = await told(caller, "ListCalls", reply, **minute)
    tokens = sum(call.prompt_tokens + call.completion_tokens for call in latest.calls)
    return {"quota": shapes.quota(sum(s.cost_usd_micros for s in sums)), "rpm": len(latest.calls), "tpm": tokens}


def _which(reply: Reply, *, is_own: bool) -> dict[str, Any]:
    query = _query(reply)
    found: dict[str, Any] = {} if is_own else {"is_of_everybody": True}
    if query.get("model_name"):
        found["model"] = query["model_name"]
    for name, ours in (("start_timestamp", "from_ms"), ("end_timestamp", "until_ms")):
        if query.get(name, "").isdigit() and int(query[name][:11]):
            found[ours] = int(query[name][:11]) * 1000
    return found


async def list_groups(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """Names."""
    return [group.id for group in (await told(caller, "ListGroups", reply, page_size=500)).groups]


async def list_codes(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """Redemption codes, without the codes."""
    page = await _page(caller, reply, "ListCodes", {})
    return [
        {
            "id": code.id,
            "name": code.name,
            "quota": shapes.quota(code.amount_usd_micros),
            "status": 3 if code.redeemed_by else shapes.OFF if code.is_blocked else shapes.ON,
            "created_time": code.created_at_ms // 1000,
        }
        for code in page.codes
    ]


async def create_codes(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """The codes, shown once."""
    body = await _body(reply)
    count, units = body.get("count", 1), body.get("quota")
    if type(count) is not int or type(units) is not int or not 0 < count <= 100:
        raise GatewayError(Kind.INVALID_REQUEST, "`count` (up to 100) and `quota` must be integers.", param="quota")
    wanted: dict[str, Any] = {
        "count": count,
        "name": shapes.text(body, "name"),
        "amount_usd_micros": units * shapes.MICROS_PER_UNIT,
    }
    return [each.code for each in (await told(caller, "CreateCodes", reply, **wanted)).codes]


async def ping_database(caller: Caller, reply: Reply, _parts: Mapping[str, str]) -> Any:
    """Whether the database answers; for administrators."""
    await told(caller, "ListGroups", reply, page_size=1)


async def nothing(_caller: Caller, _reply: Reply, _parts: Mapping[str, str]) -> Any:
    """A notice, a page about us, a home page: there is none."""
    return ""


async def _page(caller: Caller, reply: Reply, name: str, members: Mapping[str, Any]) -> Any:
    """The page of number `p`; empty behind the last."""
    query = _query(reply)
    number, size = query.get("p", "0"), query.get("size") or query.get("page_size") or str(PAGE)
    if not (number.isdigit() and size.isdigit() and int(number) <= PAGES_MAX and 0 < int(size) <= 500):
        text = f"`p` must be a number up to {PAGES_MAX} and `size` one between 1 and 500."
        raise GatewayError(Kind.INVALID_REQUEST, text, param="p")
    page = await told(caller, name, reply, page_size=int(size), **members)
    for _ in range(int(number)):
        if not page.next_page_token:
            return type(page)()
        page = await told(caller, name, reply, page_size=int(size), page_token=page.next_page_token, **members)
    return page


def _now_ms() -> int:
    return int(time.time() * 1000)


ROWS: dict[tuple[str, str], Ask] = {
    ("POST", "/api/user/register"): register, ("POST", "/api/user/login"): log_in,
    ("GET", "/api/user/logout"): log_out, ("GET", "/api/user/self"): show_self, ("PUT", "/api/user/self"): change_self,
    ("GET", "/api/user/models"): list_own_models, ("GET", "/api/user/self/groups"): list_own_groups,
    ("POST", "/api/user/topup"): redeem, ("GET", "/api/user"): list_users, ("POST", "/api/user"): create_user,
    ("PUT", "/api/user"): update_user, ("GET", "/api/user/search"): list_users,
    ("POST", "/api/user/manage"): manage_user, ("GET", "/api/user/{id}"): show_user,
    ("GET", "/api/token"): list_tokens, ("GET", "/api/token/search"): list_tokens,
    ("POST", "/api/token"): create_token, ("PUT", "/api/token"): update_token,
    ("GET", "/api/token/{id}"): show_token, ("DELETE", "/api/token/{id}"): delete_token,
    ("GET", "/api/log"): partial(list_logs, is_own=False), ("GET", "/api/log/self"): partial(list_logs, is_own=True),
    ("GET", "/api/log/stat"): partial(log_stat, is_own=False),
    ("GET", "/api/log/self/stat"): partial(log_stat, is_own=True),
    ("GET", "/api/group"): list_groups, ("GET", "/api/redemption"): list_codes,
    ("POST", "/api/redemption"): create_codes, ("GET", "/api/status/test"): ping_database,
    ("GET", "/api/notice"): nothing, ("GET", "/api/about"): nothing, ("GET", "/api/home_page_content"): nothing,
}  # fmt: skip
_WITH_ID = ("/api/user/", "/api/token/")
_UNIMPLEMENTED = (
    "/v1/images/variations",
    "/v1/files",
    "/v1/fine-tunes",
    "/v1/fine_tuning",
    "/v1/assistants",
    "/v1/threads",
)


def routes(caller: Caller) -> dict[str, dict[str, Endpoint]]:
    """The paths without parts, but for `/api` in its envelope (`find`)."""
    found: dict[str, dict[str, Endpoint]] = {"/api/pricing": {"GET": partial(pricing, caller)}}
    for prefix in ("/v1/dashboard/billing/", "/dashboard/billing/"):
        found[f"{prefix}subscription"] = {"GET": partial(subscription, caller)}
        found[f"{prefix}usage"] = {"GET": partial(usage, caller)}
    return found


def find(caller: Caller, path: str) -> tuple[str, dict[str, Endpoint]] | None:
    """The route of a path of `/api`, or of one that new-api does not implement either, and its methods."""
    if path.startswith(_UNIMPLEMENTED):
        return UNIMPLEMENTED_ROUTE, dict.fromkeys(("GET", "POST", "DELETE"), _refuse)
    if not path.startswith("/api/"):
        return None
    route, parts = path.rstrip("/"), {}
    if (prefix := next((p for p in _WITH_ID if route.startswith(p)), "")) and not _methods(route):
        route, parts = f"{prefix}{{id}}", {"id": unquote(route.removeprefix(prefix), errors="replace")}
    endpoints: dict[str, Endpoint] = {
        method: partial(_enveloped, caller, ask, parts) for method, ask in _methods(route).items()
    }
    return (route, endpoints) if endpoints else None


UNIMPLEMENTED_ROUTE = "/v1/files"
PATHS = (
    *{path: None for _, path in ROWS}, "/api/status", "/api/pricing", "/status", UNIMPLEMENTED_ROUTE,
    *(f"{prefix}/dashboard/billing/{name}" for prefix in ("", "/v1") for name in ("subscription", "usage")),
)  # fmt: skip


def _methods(route: str) -> dict[str, Ask]:
    return {method: ask for (method, path), ask in ROWS.items() if path == route}


async def _refuse(_reply: Reply) -> None:
    raise GatewayError(Kind.UNIMPLEMENTED, "API not implemented")


async def _enveloped(caller: Caller, ask: Ask, parts: Mapping[str, str], reply: Reply) -> None:
    status = 200
    try:
        said = {"success": True, "message": "", "data": await ask(caller, reply, parts)}
    except GatewayError as error:
        reply.error = error.kind.name
        status = answer.status_of(error, reply.profile) if error.kind in _SPOKEN_STATUS else 200
        said = {"success": False, "message": error.message, "data": None}
    await reply.send(status, answer.JSON, json.dumps(said), "cache-control: no-store\r\n")


async def pricing(caller: Caller, reply: Reply) -> None:
    """`GET /api/pricing`: for everybody, where the profile says so."""
    found = await told(caller, "ListPrices", reply, has_credential=not reply.profile.is_pricing_public)
    await reply.send(200, answer.JSON, json.dumps(shapes.pricing(found)))


async def subscription(caller: Caller, reply: Reply) -> None:
    """What may be spent in all, in USD, for dashboards that subtract what was used."""
    found = await told(caller, "GetBilling", reply)
    total_usd = (found.remaining_usd_micros + found.used_usd_micros) / 1_000_000
    limit_usd = shapes.UNLIMITED_USD if found.is_unlimited else total_usd
    limits = dict.fromkeys(("soft_limit_usd", "hard_limit_usd", "system_hard_limit_usd"), limit_usd)
    until_s = found.expires_at_ms // 1000 if found.HasField("expires_at_ms") else 0
    body = {"object": "billing_subscription", "has_payment_method": True, **limits, "access_until": until_s}
    await reply.send(200, answer.JSON, json.dumps(body))


async def usage(caller: Caller, reply: Reply) -> None:
    """What was used, in hundredths of a USD."""
    found = await told(caller, "GetBilling", reply)
    body = {"object": "list", "total_usage": found.used_usd_micros / 10_000}
    await reply.send(200, answer.JSON, json.dumps(body))
