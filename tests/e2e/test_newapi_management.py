"""new-api's `/api` on the listener of its profile: status, tokens, users, logs, prices, and billing of old dashboards.

Ids N1 to N32 are those of the acceptance list of that system.
"""

from __future__ import annotations

import csv
import io
import itertools
import time
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from tests.support.personalities import PASSWORD, Personalities
from tests.support.raw import Answer, ask
from tests.support.waiting import eventually

_numbers = itertools.count(1)
TURNS = [{"role": "user", "content": "hi"}]
TOKEN = {"name": "ci", "remain_quota": 500_000, "expired_time": -1, "unlimited_quota": False,
         "model_limits_enabled": False, "model_limits": "", "allow_ips": "", "group": "default"}  # fmt: skip


@dataclass(slots=True)
class Office:
    """The listener, somebody who logged in there, and an administrator."""

    gates: Personalities
    url: str
    email: str = ""
    token: str = ""
    user_id: str = ""
    admin: str = ""

    async def ask(self, method: str, path: str, body: Any = None, credential: str | None = "") -> Answer:
        """A request, by the user unless another credential is given."""
        return await ask(self.url + path, body, self.token if credential == "" else credential, method=method)

    async def data(self, method: str, path: str, body: Any = None, credential: str | None = "") -> Any:
        """The data of a success."""
        said = (await self.ask(method, path, body, credential)).ok().body
        assert set(said) == {"success", "message", "data"}
        assert said["success"] is True, said
        return said["data"]

    async def refused(self, method: str, path: str, body: Any = None, credential: str | None = "") -> str:
        """The message of a failure, which has status 200, too."""
        said = (await self.ask(method, path, body, credential)).ok().body
        assert (said["success"], said["data"]) == (False, None)
        message: str = said["message"]
        return message

    async def chat(self, key: str, model: str = "m-large") -> Answer:
        """One chat with a key."""
        return await ask(f"{self.url}/v1/chat/completions", {"model": model, "messages": TURNS}, key)


async def logged_in(gates: Personalities, url: str, role: str = "user") -> Office:
    """Somebody new with 10 USD."""
    email = f"n{role}{next(_numbers)}@example.org"
    made = Office(gates, url, email)
    if role == "user":
        await made.data("POST", "/api/user/register", {"username": email, "password": PASSWORD}, None)
    else:
        body = {"email": email, "password": PASSWORD, "role": role}
        (await ask(f"{gates.running.url}/admin/users", body, gates.running.key)).ok()
    found = await made.data("POST", "/api/user/login", {"username": email, "password": PASSWORD}, None)
    made.token, made.user_id = found["token"], found["id"]
    await gates.top_up(made.user_id, 10)
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(gates: Personalities) -> Office:
    """A gateway that is new-api, to those who manage it."""
    url = gates.url("newapi")
    made = await logged_in(gates, url)
    made.admin = (await logged_in(gates, url, "admin")).token
    return made


async def test_N1_status(office: Office) -> None:
    """Without a key: the members clients rely on."""
    data = await office.data("GET", "/api/status", credential=None)
    assert data["version"]
    assert data["system_name"]
    assert data["quota_per_unit"] == 500_000
    assert 0 <= time.time() - data["start_time"] < 3600


async def test_N2_and_N32_the_status_page(office: Office) -> None:
    """In either language it says that the gateway is up; errors of the API do not change with it."""
    page = (await office.ask("GET", "/status", credential=None)).ok()
    assert "Hoạt động" in page.text
    assert "Thời gian hoạt động" in page.text
    english = (await office.ask("GET", "/status?lang=en", credential=None)).ok()
    assert "<td>Up</td>" in english.text
    for language in ("en", "vi"):
        error = await office.ask("GET", f"/v1/nope?lang={language}", credential=None)
        assert error.error(404)["message"] == "Invalid URL (GET /v1/nope)"


async def test_N3_tokens(office: Office) -> None:
    """Made, it works; switched off or deleted, it is 401; other members change what they say."""
    made = await office.data("POST", "/api/token/", TOKEN)
    key = made["key"]
    assert key.startswith("sk-")
    assert (made["status"], made["remain_quota"], made["unlimited_quota"]) == (1, 500_000, False)
    (await office.chat(key)).ok()
    listed = await office.data("GET", "/api/token/?p=0&size=10")
    assert made["id"] in {each["id"] for each in listed}
    assert all(key != each["key"] for each in listed)
    assert await office.data("GET", "/api/token/?p=7&size=10") == []
    await office.data("PUT", "/api/token/?status_only=true", {"id": made["id"], "status": 2})
    (await office.chat(key)).error(401)
    changes = {
        "id": made["id"],
        "status": 1,
        "name": "renamed",
        "model_limits_enabled": True,
        "model_limits": "m-small",
    }
    changed = await office.data("PUT", "/api/token/", changes | {"unlimited_quota": True, "allow_ips": "127.0.0.0/8"})
    assert (changed["name"], changed["model_limits"], changed["unlimited_quota"]) == ("renamed", "m-small", True)
    (await office.chat(key)).error(403)
    (await office.chat(key, "m-small")).ok()
    assert [each["id"] for each in await office.data("GET", "/api/token/search?keyword=enam")] == [made["id"]]
    await office.data("DELETE", f"/api/token/{made['id']}")
    (await office.chat(key, "m-small")).error(401)
    assert "no such key" in await office.refused("GET", f"/api/token/{made['id']}")


async def test_who_may_ask_what(office: Office) -> None:
    """Nothing sent is 401, everything else a failure in the envelope; another's token is as if there were none."""
    for path in ("/api/user/self", "/api/token/", "/api/log/"):
        assert (await office.ask("GET", path, credential=None)).status == 401
    for path in ("/api/user/", "/api/log/", "/api/group/", "/api/redemption/", "/api/status/test"):
        assert "administrators" in await office.refused("GET", path)
        await office.data("GET", path, credential=office.admin)
    other = await logged_in(office.gates, office.url)
    made = await other.data("POST", "/api/token/", TOKEN)
    assert "no such key" in await office.refused("GET", f"/api/token/{made['id']}")
    assert "no such key" in await office.refused("DELETE", f"/api/token/{made['id']}")
    assert await office.refused("POST", "/api/token/", {"name": 5})
    assert (await office.ask("GET", "/api/nothing")).status == 404
    assert await office.refused("POST", "/api/user/login", {"username": office.email, "password": "wrong one"}, None)


async def test_users(office: Office) -> None:
    """Who one is, in quota; an administrator lists, makes, blocks, and corrects balances."""
    me = await office.data("GET", "/api/user/self")
    assert {"id": office.user_id, "role": 1, "status": 1, "group": "default"}.items() <= me.items()

    async def adds_up() -> bool:
        found = await office.data("GET", "/api/user/self")
        return 4_999_999 <= found["quota"] + found["used_quota"] <= 5_000_000  # rests below one unit are not shown

    await eventually(adds_up, "every call in the database")
    assert "m-large" in await office.data("GET", "/api/user/models")
    assert (await office.data("GET", "/api/user/self/groups"))["default"]["ratio"] == 1
    email = f"made{next(_numbers)}@example.org"
    await office.data("POST", "/api/user/", {"username": email, "password": PASSWORD}, office.admin)
    [found] = await office.data("GET", f"/api/user/search?keyword={email}", credential=office.admin)
    corrected = {"id": found["id"], "display_name": "Ana", "quota": 1000}
    await office.data("PUT", "/api/user/", corrected, office.admin)
    shown = await office.data("GET", f"/api/user/{found['id']}", credential=office.admin)
    assert (shown["display_name"], shown["quota"]) == ("Ana", 1000)
    await office.data("POST", "/api/user/manage", {"id": found["id"], "action": "disable"}, office.admin)
    assert "blocked" in await office.refused("POST", "/api/user/login", {"username": email, "password": PASSWORD}, None)
    wanted = {"name": "gift", "count": 2, "quota": 250_000}
    codes = await office.data("POST", "/api/redemption/", wanted, office.admin)
    assert len(set(codes)) == 2
    other = await logged_in(office.gates, office.url)
    assert await other.data("POST", "/api/user/topup", {"key": codes[0]}) == 250_000
    assert await other.refused("POST", "/api/user/topup", {"key": codes[0]})
    assert (await other.data("GET", "/api/user/self"))["quota"] == 5_250_000
    changed = {"original_password": PASSWORD, "password": "another good password"}
    await other.data("PUT", "/api/user/self", changed)
    assert (await other.ask("GET", "/api/user/self")).ok().body["success"] is False


async def test_N29_billing(office: Office) -> None:
    """What old dashboards show adds up: limit = left + used in quota units, usage in cents; of a key, its budget."""
    somebody = await logged_in(office.gates, office.url)
    key = (await somebody.data("POST", "/api/token/", {"name": "all", "unlimited_quota": True}))["key"]
    (await somebody.chat(key, "sim")).ok()

    async def billed() -> Any:
        body = (await somebody.ask("GET", "/v1/dashboard/billing/usage", credential=key)).ok().body
        return body if body["total_usage"] else None

    used = await eventually(billed, "the call's cost")
    me = await somebody.data("GET", "/api/user/self")
    for prefix in ("/v1", ""):
        limits = (await somebody.ask("GET", f"{prefix}/dashboard/billing/subscription", credential=key)).ok().body
        assert limits["object"] == "billing_subscription"
        assert round(limits["hard_limit_usd"] * 500_000) == me["quota"] + me["used_quota"] == 5_000_000
    assert round(used["total_usage"] * 5000) == me["used_quota"]
    small = (await somebody.data("POST", "/api/token/", TOKEN))["key"]
    limits = (await somebody.ask("GET", "/v1/dashboard/billing/subscription", credential=small)).ok().body
    assert limits["hard_limit_usd"] == 1.0
    (await somebody.ask("GET", "/v1/dashboard/billing/usage", credential=None)).error(401)


async def test_logs_and_their_sums(office: Office) -> None:
    """Own calls and everybody's, newest first, with what they cost; the same calls as CSV."""
    somebody = await logged_in(office.gates, office.url)
    key = (await somebody.data("POST", "/api/token/", {"name": "all", "unlimited_quota": True}))["key"]
    for model in ("sim", "m-large"):
        (await somebody.chat(key, model)).ok()

    async def logged() -> Any:
        found = await somebody.data("GET", "/api/log/self?p=0&page_size=10")
        return found if len(found) == 2 else None

    logs = await eventually(logged, "two calls")
    assert {log["model_name"] for log in logs} == {"sim", "m-large"}
    assert len(await somebody.data("GET", "/api/log/self?page_size=1&p=1")) == 1
    [costly] = await somebody.data("GET", "/api/log/self?model_name=sim")
    assert costly["quota"] == (costly["prompt_tokens"] * 1000 + costly["completion_tokens"] * 2000) // 2
    total = (await somebody.data("GET", "/api/log/self/stat"))["quota"]
    assert total == (await somebody.data("GET", "/api/user/self"))["used_quota"] >= costly["quota"]
    everybody = await somebody.data("GET", "/api/log/?page_size=500", credential=office.admin)
    assert {log["id"] for log in logs} <= {log["id"] for log in everybody}
    base = office.gates.running.url
    text = (await ask(f"{base}/auth/calls?format=csv", key=somebody.token)).ok()
    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert {row["id"] for row in rows} == {log["id"] for log in logs}
    sums = (await ask(f"{base}/auth/usage?by=model&format=csv", key=somebody.token)).ok()
    by_model = {row["of"]: int(row["calls"]) for row in csv.DictReader(io.StringIO(sums.text))}
    assert by_model == {"sim": 1, "m-large": 1}
    assert (await ask(f"{base}/admin/calls?format=csv", key=somebody.token)).status == 403


async def test_prices(office: Office) -> None:
    """Without a key: ratios of models, those of groups, and who may use what."""
    said = (await office.ask("GET", "/api/pricing", credential=None)).ok().body
    [model] = [each for each in said["data"] if each["model_name"] == "gpt-4o"]
    assert (model["quota_type"], model["model_ratio"], model["completion_ratio"]) == (0, 1.25, 4)
    [per_call] = [each for each in said["data"] if each["model_name"] == "n17"]
    assert (per_call["quota_type"], per_call["model_price"]) == (1, 0.04)
    assert "default" in model["enable_groups"]
    assert said["group_ratio"]["default"] == 1
    assert (await ask(f"{office.gates.url('xmaxgate')}/api/pricing")).status == 404


@pytest.mark.parametrize("path", ["/api/status", "/status", "/api/token/", "/v1/dashboard/billing/usage"])
async def test_other_profiles_do_not_have_it(office: Office, path: str) -> None:
    """Not even the default one."""
    for url in (office.gates.running.url, office.gates.url("inferxgate"), office.gates.url("apikeyhub")):
        (await ask(url + path)).error(404)
