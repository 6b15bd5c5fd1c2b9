"""Accounts over HTTP and gRPC: the same people, keys and refusals, on SQLite and on PostgreSQL.

Rules: a gateway in this process with real sockets; the gRPC side is the public client. Tests named by an id of the
    acceptance list state its line.
Not here: what the records do (tests/unit/accounts); commands (test_account_commands).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.client import AsyncClient, AuthenticationError, GatewayError, NotFoundError, accounts, v1
from tests.support.databases import KINDS, url_of
from tests.support.raw import Answer, ask
from tests.support.single import InProcess, single

PASSWORD = "correct horse battery"
LAYER = {
    "accounts": {"registration": "open", "logins_per_minute": 1000, "wrong_keys_per_minute": 1000},
    "profiles": {"default": {"key_carriers": ["bearer", "x-api-key"], "key_prefix": "ix-api-key-"}},
}
_numbers = iter(range(10**6))


@pytest.fixture(scope="module", params=KINDS)
async def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[InProcess]:
    """A gateway over an empty database of each kind."""
    folder: Path = tmp_path_factory.mktemp("accounts")
    async with single(LAYER, environ={"GATEWAY_DATABASE__URL": url_of(request.param, folder)}) as running:
        yield running


async def post(gateway: InProcess, path: str, body: Any, key: str | None = None, method: str = "POST") -> Answer:
    """One request with a body."""
    return await ask(f"{gateway.url}{path}", body, key, method=method)


async def get(gateway: InProcess, path: str, key: str | None = None) -> Answer:
    """One request without."""
    return await ask(f"{gateway.url}{path}", None, key)


async def registered(gateway: InProcess) -> tuple[str, dict[str, Any]]:
    """A new user: access token, and the user."""
    email = f"user{next(_numbers)}@example.org"
    body = (await post(gateway, "/auth/register", {"email": email, "password": PASSWORD})).ok().body
    return body["token"], body["user"]


async def new_key(gateway: InProcess, token: str, **members: Any) -> dict[str, Any]:
    """A key of that user's, with the key itself."""
    body: dict[str, Any] = (await post(gateway, "/auth/keys", {"name": "ci", **members}, token)).ok().body
    return body


def client(gateway: InProcess, key: str) -> AsyncClient:
    """The public client with that credential."""
    return AsyncClient(gateway.grpc_address, key=key, max_retries=0, timeout_s=20)


async def grpc_error(gateway: InProcess, key: str, method: Any, request: Any) -> GatewayError:
    """How an RPC is refused."""
    async with client(gateway, key) as grpc_client:
        with pytest.raises(GatewayError) as caught:
            await grpc_client.call(method, request)
    return caught.value


async def chat(gateway: InProcess, key: str | None, model: str = "gpt-4o-mini", **headers: str) -> Answer:
    """One call."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return await ask(f"{gateway.base_url}/chat/completions", body, key, headers=headers)


async def test_I1_bearer_jwt(gateway: InProcess) -> None:
    """A token of /auth/login works on chat; with a bad signature it is 401."""
    _, user = await registered(gateway)
    login = (await post(gateway, "/auth/login", {"email": user["email"], "password": PASSWORD})).ok().body
    (await chat(gateway, login["token"])).ok()
    (await chat(gateway, login["token"][:-6] + "AAAAAA")).error(401, "invalid_api_key")


async def test_I2_I3_keys_and_their_carriers(gateway: InProcess) -> None:
    """`ix-api-key-...` as bearer, and alone in X-API-Key; of both, Authorization wins."""
    token, _ = await registered(gateway)
    key = (await new_key(gateway, token))["key"]
    assert key.startswith("ix-api-key-")
    (await chat(gateway, key)).ok()
    (await chat(gateway, None, **{"X-API-Key": key})).ok()
    (await chat(gateway, key, **{"X-API-Key": "wrong"})).ok()
    (await chat(gateway, "wrong", **{"X-API-Key": key})).error(401, "invalid_api_key")


async def test_I11_register(gateway: InProcess) -> None:
    """200 with token and user; the same email again is 400."""
    body = {"email": f"u{next(_numbers)}@example.org", "password": PASSWORD, "username": "ana"}
    made = (await post(gateway, "/auth/register", body)).ok().body
    assert made["user"]["username"] == "ana"
    assert made["user"]["role"] == "user"
    assert made["token"].count(".") == 2
    (await post(gateway, "/auth/register", body)).error(400, "email_taken", "email")


async def test_I12_login(gateway: InProcess) -> None:
    """The right password gives a token; a wrong one, and somebody unknown, 401 in the same words."""
    _, user = await registered(gateway)
    right = await post(gateway, "/auth/login", {"email": user["email"], "password": PASSWORD})
    assert right.ok().headers["cache-control"] == "no-store"
    wrong = await post(gateway, "/auth/login", {"email": user["email"], "password": "wrong password"})
    unknown = await post(gateway, "/auth/login", {"email": "nobody@example.org", "password": "wrong password"})
    assert wrong.error(401, "invalid_credentials") == unknown.error(401, "invalid_credentials")


async def test_I13_list_of_keys(gateway: InProcess) -> None:
    """A token gives the array of own keys, without secrets; an API key or nothing is 401."""
    token, user = await registered(gateway)
    made = await new_key(gateway, token, max_budget=25.0, rate_limit_rpm=60, allowed_models=["gpt-4o-mini"])
    answer = (await get(gateway, "/auth/keys", token)).ok()
    [shown] = answer.body
    assert made["key"] not in answer.text
    expected = {
        "id": made["id"], "name": "ci", "max_budget": 25, "current_spend": 0, "rate_limit_rpm": 60,
        "rate_limit_tpm": None, "allowed_models": ["gpt-4o-mini"], "expires_at": None, "blocked": False,
        "user_id": user["id"], "last_used_at": None,
    }  # fmt: skip
    assert {name: shown[name] for name in expected} == expected
    assert made["key"].startswith(shown["key_prefix"])
    (await get(gateway, "/auth/keys", made["key"])).error(401, "session_required")
    (await get(gateway, "/auth/keys")).error(401)


async def test_I14_a_key_is_shown_once(gateway: InProcess) -> None:
    """It authenticates, and is in no later answer."""
    token, _ = await registered(gateway)
    made = await new_key(gateway, token)
    (await chat(gateway, made["key"])).ok()
    for path in ("/auth/keys", f"/auth/keys/{made['id']}", "/auth/me"):
        assert made["key"][-32:] not in (await get(gateway, path, token)).ok().text


async def test_I23_limits_of_a_key(gateway: InProcess) -> None:
    """Spent, expired or blocked, it is refused; outside its models, 403."""
    token, _ = await registered(gateway)
    spent = await new_key(gateway, token, max_budget=0)
    (await chat(gateway, spent["key"])).error(402, "key_budget_exceeded")
    narrow = await new_key(gateway, token, allowed_models=["gpt-4o"])
    (await chat(gateway, narrow["key"])).error(403)
    blocked = await new_key(gateway, token)
    (await chat(gateway, blocked["key"])).ok()
    (await post(gateway, f"/auth/keys/{blocked['id']}", {"blocked": True}, token, "PATCH")).ok()
    (await chat(gateway, blocked["key"])).error(401, "invalid_api_key")
    limited = await new_key(gateway, token, rate_limit_rpm=1)
    (await chat(gateway, limited["key"])).ok()
    (await chat(gateway, limited["key"])).error(429)


async def test_K22_N3_keys_live_and_die(gateway: InProcess) -> None:
    """Made by a management call it works at once, on both protocols; revoked, it is 401 on both."""
    token, _ = await registered(gateway)
    made = await new_key(gateway, token)
    (await get(gateway, "/v1/models", made["key"])).ok()
    async with client(gateway, made["key"]) as grpc_client:
        assert await grpc_client.list_models()
        revoked = await ask(f"{gateway.url}/auth/keys/{made['id']}", None, token, method="DELETE")
        assert revoked.ok().body["is_revoked"]
        with pytest.raises(AuthenticationError):
            await grpc_client.list_models()
    (await get(gateway, "/v1/models", made["key"])).error(401, "invalid_api_key")


async def test_N30_addresses(gateway: InProcess) -> None:
    """A key for other networks is 403 from here, on both protocols; for this one it works on both."""
    token, _ = await registered(gateway)
    elsewhere = await new_key(gateway, token, allowed_ips=["10.0.0.0/8", "2001:db8::/32"])
    here = await new_key(gateway, token, allowed_ips=["127.0.0.0/8"])
    (await chat(gateway, elsewhere["key"])).error(403, "address_not_allowed")
    (await chat(gateway, here["key"])).ok()
    async with client(gateway, here["key"]) as grpc_client:
        assert await grpc_client.list_models()
    async with client(gateway, elsewhere["key"]) as grpc_client:
        with pytest.raises(GatewayError) as caught:
            await grpc_client.list_models()
    assert caught.value.kind.name.endswith("PERMISSION_DENIED")


async def test_sessions_over_grpc(gateway: InProcess) -> None:
    """Registered here, logged in there: the same user, refreshed and ended over either."""
    email = f"g{next(_numbers)}@example.org"
    async with AsyncClient(gateway.grpc_address, max_retries=0) as anonymous:
        session = await anonymous.call(accounts.REGISTER, v1.RegisterRequest(email=email, password=PASSWORD))
    me = (await get(gateway, "/auth/me", session.token)).ok().body
    assert (me["id"], me["email"]) == (session.user.id, email)
    body = {"refresh_token": session.refresh_token}
    renewed = (await post(gateway, "/auth/refresh", body)).ok().body
    (await post(gateway, "/auth/refresh", body)).error(401)
    error = await grpc_error(gateway, renewed["token"], accounts.GET_ME, v1.GetMeRequest())
    assert isinstance(error, AuthenticationError)


def told(error: GatewayError) -> tuple[str, str | None, str]:
    """A failure in words that both protocols share."""
    return error.message, error.param, error.code or ""


async def test_refusals_are_the_same_over_both_protocols(gateway: InProcess) -> None:
    """Message, member and code; for a wrong request, a missing role, somebody else's key, a bad credential."""
    token, _ = await registered(gateway)
    other, _ = await registered(gateway)
    foreign = await new_key(gateway, other)
    cases: list[tuple[Answer, GatewayError]] = [
        (
            await post(gateway, "/auth/keys", {"name": ""}, token),
            await grpc_error(gateway, token, accounts.CREATE_KEY, v1.CreateKeyRequest()),
        ),
        (
            await post(gateway, "/auth/keys", {"name": "k", "allowed_ips": ["here"]}, token),
            await grpc_error(gateway, token, accounts.CREATE_KEY, v1.CreateKeyRequest(name="k", allowed_ips=["here"])),
        ),
        (
            await post(gateway, "/auth/keys", {"name": "a\x00b"}, token),
            await grpc_error(gateway, token, accounts.CREATE_KEY, v1.CreateKeyRequest(name="a\x00b")),
        ),
        (
            await get(gateway, "/admin/users", token),
            await grpc_error(gateway, token, accounts.LIST_USERS, v1.ListUsersRequest()),
        ),
        (
            await get(gateway, f"/auth/keys/{foreign['id']}", token),
            await grpc_error(gateway, token, accounts.GET_KEY, v1.GetKeyRequest(id=foreign["id"])),
        ),
        (
            await get(gateway, "/auth/keys/'%20OR%201=1;--", token),
            await grpc_error(gateway, token, accounts.GET_KEY, v1.GetKeyRequest(id="' OR 1=1;--")),
        ),
        (
            await get(gateway, "/auth/me", "nobody"),
            await grpc_error(gateway, "nobody", accounts.GET_ME, v1.GetMeRequest()),
        ),
        (
            await get(gateway, "/auth/keys?page_token=nonsense!", token),
            await grpc_error(gateway, token, accounts.LIST_KEYS, v1.ListKeysRequest(page_token="nonsense!")),
        ),
        (
            await get(gateway, "/auth/wallet", gateway.key),
            await grpc_error(gateway, gateway.key, accounts.GET_WALLET, v1.GetWalletRequest()),
        ),
    ]
    for answer, failure in cases:
        error = answer.body["error"]
        assert (error["message"], error["param"]) == (failure.message, failure.param), error
        assert answer.status == {"NotFoundError": 404, "AuthenticationError": 401, "PermissionDeniedError": 403}.get(
            type(failure).__name__, 400
        )


async def test_an_administrator_over_both_protocols(gateway: InProcess) -> None:
    """Users, groups, money, codes; what is done over one is seen over the other, and in the audit log."""
    email = f"a{next(_numbers)}@example.org"
    async with client(gateway, gateway.key) as admin:
        user = await admin.call(accounts.CREATE_USER, v1.CreateUserRequest(email=email, password=PASSWORD))
        change = v1.ChangeWalletRequest(
            user_id=user.id, kind="top_up", amount_usd_micros=2_500_000, idempotency_key="one"
        )
        for _ in range(2):
            wallet = await admin.call(accounts.CHANGE_WALLET, change)
        assert wallet.balance_usd_micros == 2_500_000
        again = {"amount_usd": 2.5, "idempotency_key": "one"}
        top_up = (await post(gateway, f"/admin/users/{user.id}/top-up", again, gateway.key)).ok()
        assert top_up.body["balance_usd"] == 2.5
        group = {"ratio_ppm": 500_000, "models": ["gpt-4o-mini"], "limits": {"requests_per_minute": 100}}
        (await post(gateway, "/admin/groups/vip", group, gateway.key, "PUT")).ok()
        groups = await admin.call(accounts.LIST_GROUPS, v1.ListGroupsRequest())
        assert "vip" in [one.id for one in groups.groups]
        updated = await admin.call(accounts.UPDATE_USER, v1.UpdateUserRequest(id=user.id, group="vip"))
        assert updated.group == "vip"
        with pytest.raises(NotFoundError):
            await admin.call(accounts.GET_USER, v1.GetUserRequest(id="nobody"))
    token = (await post(gateway, "/auth/login", {"email": email, "password": PASSWORD})).ok().body["token"]
    (await chat(gateway, token, "gpt-4o")).error(404, "model_not_found")
    (await chat(gateway, token)).ok()
    made = (await post(gateway, "/admin/codes", {"count": 1, "amount_usd": 1}, gateway.key)).ok().body
    code = {"code": made["codes"][0]["code"]}
    assert (await post(gateway, "/auth/redeem", code, token)).ok().body["balance_usd"] == 3.5
    (await post(gateway, "/auth/redeem", code, token)).error(400, "code_invalid")
    audit = (await get(gateway, f"/admin/audit?subject=user:{user.id}", gateway.key)).ok().body["entries"]
    actions = [entry["action"] for entry in reversed(audit)]
    assert actions == ["user.create", "wallet.top_up", "user.update", "session.begin", "code.redeem"]
    assert audit[-1]["actor"] == "key:dev"
    assert {entry["generation"] for entry in audit} == {gateway.half.kit.runtime.generation}
    (await post(gateway, f"/admin/users/{user.id}", {"is_blocked": True}, gateway.key, "PATCH")).ok()
    (await chat(gateway, token)).error(401)


async def test_a_member_nobody_knows_is_refused(gateway: InProcess) -> None:
    """A misspelt limit is not silently none."""
    token, _ = await registered(gateway)
    for body, param in (
        ({"name": "k", "allowed_ip": ["10.0.0.1"]}, "allowed_ip"),
        ({"name": "k", "user_id": 7}, "user_id"),
        ({"name": 7}, "name"),
        ({"name": "k", "max_budget": "25"}, "max_budget"),
        ({"name": "k", "max_budget": 0.0000001}, "max_budget"),
        ({"name": "k", "expires_at": "soon"}, "expires_at"),
        ({"name": "k", "limits": {"requests_per_hour": 1}}, "limits.requests_per_hour"),
        ({"name": "k", "rate_limit_rpm": 1.5}, "rate_limit_rpm"),
        ({"name": "k", "clear": ["name"]}, "clear"),
    ):
        (await post(gateway, "/auth/keys", body, token)).error(400, param=param)
    assert (await get(gateway, "/auth/keys", token)).ok().body == []


async def test_rotation_over_http(gateway: InProcess) -> None:
    """Old and new secret work side by side; with no overlap only the new one."""
    token, _ = await registered(gateway)
    first = await new_key(gateway, token)
    second = (await post(gateway, f"/auth/keys/{first['id']}/rotate", None, token)).ok().body
    for key in (first["key"], second["key"]):
        (await chat(gateway, key)).ok()
    third = (await post(gateway, f"/auth/keys/{first['id']}/rotate", {"overlap_s": 0}, token)).ok().body
    (await chat(gateway, second["key"])).error(401)
    (await chat(gateway, third["key"])).ok()


async def test_many_new_callers_at_once(gateway: InProcess) -> None:
    """A hundred calls of a key in no cache, over both protocols: all pass."""
    token, _ = await registered(gateway)
    key = (await new_key(gateway, token))["key"]
    async with client(gateway, key) as grpc_client:
        calls = [get(gateway, "/v1/models", key) for _ in range(50)]
        lists = [grpc_client.list_models() for _ in range(50)]
        answers, models = await asyncio.gather(asyncio.gather(*calls), asyncio.gather(*lists))
    assert {answer.status for answer in answers} == {200}
    assert all(models)


async def test_without_accounts(tmp_path: Path) -> None:
    """Switched off: 501 on both, keys of the configuration work, and no database is made."""
    async with single({"accounts": {"enabled": False}}) as running:
        (await get(running, "/auth/me", running.key)).error(501, "accounts_off")
        (await chat(running, running.key)).ok()
        (await chat(running, "gw-" + "a" * 48)).error(401, "invalid_api_key")
        assert not list(running.root.rglob("gateway.db"))


async def test_a_gateway_that_never_had_accounts_makes_no_database() -> None:
    """Keys of the configuration, unknown keys and 401s: nothing is opened."""
    async with single() as running:
        (await chat(running, running.key)).ok()
        (await chat(running, "gw-" + "a" * 48)).error(401, "invalid_api_key")
        (await get(running, "/auth/me", running.key)).ok()
        assert running.half.kit.accounts is not None
        assert not running.half.kit.accounts.database.is_open
        assert not list(running.root.rglob("gateway.db"))
