"""Keys that users make: what they may do, when they stop, and what an outage changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from typing import Any

import pytest

from gateway.accounts import directory
from gateway.accounts.api_keys import Record
from gateway.core.errors import GatewayError, Kind
from gateway.store.sql.database import unavailable
from tests.support.waiting import eventually
from tests.unit.accounts.conftest import WHO, Desk


async def refusal(coroutine: Coroutine[Any, Any, object]) -> GatewayError:
    """How something is refused."""
    with pytest.raises(GatewayError) as caught:
        await coroutine
    return caught.value


async def test_a_key_of_each_profile(desk: Desk) -> None:
    """Prefix and 48 letters and digits; it says whose it is, and is kept nowhere."""
    user = await desk.user()
    for prefix in ("gw-", "xmg_", "ix-api-key-", "sk-", ""):
        row, whole = await desk.key(user["id"], prefix)
        assert re.fullmatch(re.escape(prefix) + "[a-z0-9]{16}[A-Za-z0-9]{32}", whole)
        identity = await desk.identify(whole)
        assert (identity.key_id, identity.user_id, identity.group) == (row["id"], user["id"], "default")
        assert not identity.is_session
        assert not identity.is_admin
        assert whole[-32:] not in str(await desk.book.keys.get(None, row["id"]))


async def test_wrong_keys(desk: Desk) -> None:
    """Another secret, another prefix, another id, text that is none: all told alike."""
    _, whole = await desk.key((await desk.user())["id"], "xmg_")
    wrong = [whole[:-1] + ("A" if whole[-1] != "A" else "B"), "gw-" + whole[4:], whole[:-1], whole + "x", "xmg_", "'--"]
    wrong += ["xmg_" + "z" * 48, whole.upper(), "\x00" * 48, "ä" * 48, "' OR 1=1; --" + whole[12:]]
    errors = [await refusal(desk.identify(each)) for each in wrong]
    assert {(error.kind, error.message) for error in errors} == {(Kind.INVALID_KEY, errors[0].message)}
    assert (await desk.identify(whole)).key_id


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"is_blocked": True}, Kind.INVALID_KEY),
        ({"allowed_ips": ["10.0.0.0/8"]}, Kind.PERMISSION_DENIED),
        ({"max_budget_usd_micros": 0}, Kind.INSUFFICIENT_BALANCE),
    ],
)
async def test_a_change_reaches_the_next_call(desk: Desk, changes: Record, kind: Kind) -> None:
    """A key in cache is not believed any longer."""
    row, whole = await desk.key((await desk.user())["id"])
    await desk.identify(whole)
    await desk.book.keys.update(None, row["id"], changes, WHO)
    assert (await refusal(desk.identify(whole))).kind is kind


async def test_a_revoked_key_never_works_again(desk: Desk) -> None:
    """At once here, within `key_cache_s` in another process; its record stays."""
    user = await desk.user()
    row, whole = await desk.key(user["id"])
    other = desk.beside()
    await desk.identify(whole, book=other)
    await desk.identify(whole)
    await desk.book.keys.revoke(user["id"], row["id"], WHO)
    assert (await refusal(desk.identify(whole))).kind is Kind.INVALID_KEY
    assert (await desk.identify(whole, book=other)).key_id == row["id"]
    desk.clock.advance(31)
    assert (await refusal(desk.identify(whole, book=other))).kind is Kind.INVALID_KEY
    assert (await refusal(desk.book.keys.rotate(None, row["id"], None, WHO))).kind is Kind.CONFLICT
    assert (await desk.book.keys.get(user["id"], row["id"]))["revoked_at_ms"] is not None
    await other.stop()


async def test_a_key_expires(desk: Desk) -> None:
    """To the second, also from the cache."""
    ends_at_ms = int(desk.clock.wall_s() * 1000) + 10_000
    _, whole = await desk.key((await desk.user())["id"], expires_at_ms=ends_at_ms)
    await desk.identify(whole)
    desk.clock.advance(11)
    assert (await refusal(desk.identify(whole))).kind is Kind.INVALID_KEY


async def test_two_live_secrets_during_rotation(desk: Desk) -> None:
    """Old and new work until the overlap is over; a third rotation leaves the newest two."""
    row, first = await desk.key((await desk.user())["id"], "sk-")
    _, second = await desk.book.keys.rotate(None, row["id"], 60, WHO)
    assert second.startswith("sk-" + row["id"])
    assert {(await desk.identify(key)).key_id for key in (first, second)} == {row["id"]}
    _, third = await desk.book.keys.rotate(None, row["id"], 60, WHO)
    assert (await refusal(desk.identify(first))).kind is Kind.INVALID_KEY
    for key in (second, third):
        await desk.identify(key)
    desk.clock.advance(61)
    assert (await refusal(desk.identify(second))).kind is Kind.INVALID_KEY
    await desk.identify(third)


async def test_a_secret_rotated_elsewhere_works_at_once(desk: Desk) -> None:
    """A key in cache with another secret is asked for again, not refused for `key_cache_s`."""
    row, first = await desk.key((await desk.user())["id"])
    other = desk.beside()
    await desk.identify(first, book=other)
    _, second = await desk.book.keys.rotate(None, row["id"], 60, WHO)
    assert (await desk.identify(second, book=other)).key_id == row["id"]
    await other.stop()


async def test_a_blocked_user_and_a_lost_group(desk: Desk) -> None:
    """The key is good, its user is not: 403, not 401."""
    user = await desk.user()
    await desk.book.groups.put("vip", {"models": ["gpt-*"], "ratio_ppm": 500_000}, WHO)
    assert (await refusal(desk.key(user["id"], group_id="vip"))).param == "group_id"
    await desk.book.groups.set_member(user["id"], "vip", is_member=True, who=WHO)
    _, whole = await desk.key(user["id"], group_id="vip")
    identity = await desk.identify(whole)
    assert (identity.group, identity.ratio_ppm) == ("vip", 500_000)
    assert identity.may_use("gpt-4o")
    assert not identity.may_use("claude")
    await desk.book.groups.set_member(user["id"], "vip", is_member=False, who=WHO)
    assert (await refusal(desk.identify(whole))).code == "group_not_allowed"
    await desk.book.users.update(user["id"], {"is_blocked": True}, WHO)
    assert (await refusal(desk.identify(whole))).code == "account_blocked"


async def test_limits_of_key_user_and_group_count_side_by_side(desk: Desk) -> None:
    """A call stands in each that is limited."""
    user = await desk.user()
    await desk.book.users.update(user["id"], {"limits": {"concurrency": 3}}, WHO)
    await desk.book.groups.put("default", {"limits": {"requests_per_minute": 100}}, WHO)
    row, whole = await desk.key(user["id"], limits={"tokens_per_minute": 1000})
    scopes = (await desk.identify(whole)).scopes
    assert [(scope.subject, scope.kind) for scope in scopes] == [
        (row["id"], "key"),
        (f"user:{user['id']}", "user"),
        ("group:default", "group"),
    ]
    assert scopes[0].limits.tokens_per_minute == 1000
    assert scopes[1].limits.concurrency == 3
    assert scopes[2].limits.requests_per_minute == 100


async def test_a_group_in_use_stays(desk: Desk) -> None:
    """It is removed when nobody is in it."""
    await desk.book.groups.put("vip", {}, WHO)
    user = await desk.user(group_id="vip")
    assert (await refusal(desk.book.groups.delete("vip", WHO))).kind is Kind.CONFLICT
    await desk.book.users.update(user["id"], {"group_id": "default"}, WHO)
    await desk.book.groups.delete("vip", WHO)
    assert (await refusal(desk.book.groups.delete("vip", WHO))).kind is Kind.NOT_FOUND
    assert (await refusal(desk.book.groups.delete("default", WHO))).kind is Kind.CONFLICT


WRONG: list[tuple[Record, str]] = [
    ({"name": ""}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"models": [""]}, "allowed_models"),
    ({"models": ["m"] * 201}, "allowed_models"),
    ({"allowed_ips": ["10.0.0.300"]}, "allowed_ips"),
    ({"limits": {"requests_per_hour": 1}}, "limits.requests_per_hour"),
    ({"limits": {"requests_per_minute": 0}}, "limits.requests_per_minute"),
    ({"max_budget_usd_micros": -1}, "max_budget"),
    ({"expires_at_ms": 1}, "expires_at"),
    ({"expires_at_ms": 2**62}, "expires_at"),
    ({"expires_at_ms": 253_402_300_800_000}, "expires_at"),
]


async def test_what_is_no_key(desk: Desk) -> None:
    """The member that is wrong is named; nothing is made."""
    user = await desk.user()
    for wanted, param in WRONG:
        assert (await refusal(desk.key(user["id"], **wanted))).param == param
    assert (await desk.book.keys.list(user["id"], 0, "")).items == []


async def test_a_user_reaches_only_their_own_keys(desk: Desk) -> None:
    """Another's key is not there, for reading and for changing."""
    owner, other = await desk.user(), await desk.user()
    row, whole = await desk.key(owner["id"])
    keys = desk.book.keys
    for attempt in (
        keys.get(other["id"], row["id"]),
        keys.update(other["id"], row["id"], {"name": "mine"}, WHO),
        keys.rotate(other["id"], row["id"], None, WHO),
        keys.revoke(other["id"], row["id"], WHO),
    ):
        assert (await refusal(attempt)).kind is Kind.NOT_FOUND
    assert (await keys.list(other["id"], 0, "")).items == []
    assert (await desk.identify(whole)).key_id == row["id"]


async def test_pages_of_keys_and_their_number(desk: Desk) -> None:
    """Newest first, each once; no more than allowed."""
    user = await desk.user()
    desk.settings = {"keys_per_user_max": 5}
    made = []
    for _ in range(5):
        made.append((await desk.key(user["id"]))[0]["id"])
        desk.clock.advance(1)
    assert (await refusal(desk.key(user["id"]))).code == "too_many_keys"
    seen: list[str] = []
    token = ""
    while token or not seen:
        page = await desk.book.keys.list(user["id"], 2, token)
        seen += [row["id"] for row in page.items]
        token = page.next_token
        if not token:
            break
    assert seen == made[::-1]


async def test_an_outage_locks_out_nobody_who_was_in(desk: Desk) -> None:
    """Cached keys work on, unknown ones get 503 and not 401; afterwards everything is as before."""
    user = await desk.user()
    _, known = await desk.key(user["id"])
    _, unknown = await desk.key(user["id"])
    await desk.identify(known)
    desk.clock.advance(31)  # so that the cache would ask
    database, is_down = desk.book.database, True
    run = database.run

    async def down(*asked: Any, **how: Any) -> Any:
        if is_down:
            raise unavailable(OSError("connection refused"))
        return await run(*asked, **how)

    database.run = down  # type: ignore[method-assign]  # what fails, or is counted
    assert (await desk.identify(known)).user_id == user["id"]
    error = await refusal(desk.identify(unknown))
    assert (error.kind, error.code) == (Kind.UNAVAILABLE, "store_unavailable")
    assert error.retry_after_s
    assert (await refusal(desk.identify("gw-nonsense"))).kind is Kind.INVALID_KEY
    desk.clock.advance(3601)
    assert (await refusal(desk.identify(known))).kind is Kind.UNAVAILABLE
    is_down = False
    desk.clock.advance(2)
    assert (await desk.identify(unknown)).user_id == user["id"]
    assert (await desk.identify(known)).user_id == user["id"]


async def test_a_flood_of_unknown_keys_asks_little(desk: Desk) -> None:
    """An address may try so many; keys in cache work on for it, and for others nothing changes."""
    desk.settings = {"wrong_keys_per_minute": 5}
    user = await desk.user()
    _, known = await desk.key(user["id"])
    _, fresh = await desk.key(user["id"])
    await desk.identify(known)
    wrong = [f"gw-{number:016d}{'s' * 32}" for number in range(8)]
    kinds = [(await refusal(desk.identify(each))).kind for each in wrong]
    assert kinds == [Kind.INVALID_KEY] * 5 + [Kind.RATE_LIMITED] * 3
    assert (await refusal(desk.identify(wrong[0]))).kind is Kind.INVALID_KEY  # known to be wrong: nothing is asked
    assert (await desk.identify(known)).user_id == user["id"]
    assert (await refusal(desk.identify(fresh))).kind is Kind.RATE_LIMITED
    assert (await desk.identify(fresh, "198.51.100.9:1")).user_id == user["id"]
    desk.clock.advance(61)
    _, later = await desk.key(user["id"])
    assert (await desk.identify(later)).user_id == user["id"]


async def test_many_callers_of_one_key_ask_once(desk: Desk) -> None:
    """A hundred at once, the key in no cache: one question; who leaves does not take the answer along."""
    _, whole = await desk.key((await desk.user())["id"])
    book = desk.book
    questions = 0
    read = book.read

    async def counted(subject: str) -> object:
        nonlocal questions
        questions += 1
        return await read(subject)

    book.read = counted  # type: ignore[method-assign, assignment]  # what fails, or is counted
    book.directory.forget("key:x")
    callers = [asyncio.create_task(desk.identify(whole)) for _ in range(100)]
    await asyncio.sleep(0)
    callers[0].cancel()
    found = await asyncio.gather(*callers[1:])
    assert questions == 1
    assert len({identity.key_id for identity in found}) == 1


async def test_a_slow_answer_is_not_waited_for_and_not_lost(desk: Desk) -> None:
    """Who asks first gets 503 in the key's own time, others at once; what comes later is there without asking."""
    desk.settings = {"key_lookup_timeout_s": 0.05}
    user = await desk.user()
    (_, slow), (_, other) = await desk.key(user["id"]), await desk.key(user["id"])
    book, answered, asked = desk.beside(), asyncio.Event(), 0
    await book.database.open()
    read = book.read

    async def late(subject: str) -> object:
        nonlocal asked
        asked += 1
        await answered.wait()
        return await read(subject)

    book.read = late  # type: ignore[method-assign, assignment]  # what is late, and counted
    for whole in (slow, slow, other):
        error = await refusal(desk.identify(whole, book=book))
        assert (error.kind, error.code) == (Kind.UNAVAILABLE, "store_unavailable")
    answered.set()
    await eventually(lambda: not book.directory._questions, "the answer")
    assert (await desk.identify(slow, book=book)).user_id == user["id"]
    assert asked == 1
    await book.database.close()


async def test_one_who_does_not_wait_turns_nobody_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database too slow for a caller with a key in cache is asked for a new key all the same."""
    monkeypatch.setattr(directory, "PATIENCE_S", 0.01)
    desk.settings = {"key_cache_s": 0}
    user = await desk.user()
    (_, known), (_, new) = await desk.key(user["id"]), await desk.key(user["id"])
    book, may_answer, asked = desk.beside(), asyncio.Event(), []
    assert (await desk.identify(known, book=book)).user_id == user["id"]
    read = book.read

    async def slow(subject: str) -> object:
        asked.append(subject)
        await may_answer.wait()
        return await read(subject)

    book.read = slow  # type: ignore[method-assign, assignment]  # what takes its time
    for _ in range(3):
        assert (await desk.identify(known, book=book)).user_id == user["id"]
    waiting = asyncio.create_task(desk.identify(new, book=book))
    await eventually(lambda: len(asked) == 2, "both questions")
    may_answer.set()
    assert (await waiting).user_id == user["id"]
    await book.database.close()


async def test_a_database_that_opens_has_its_own_time(desk: Desk) -> None:
    """The first call of a process waits for it, whatever a key's time is."""
    desk.settings = {"key_lookup_timeout_s": 0.001}
    user = await desk.user()
    _, whole = await desk.key(user["id"])
    book = desk.beside()
    assert (await desk.identify(whole, book=book)).user_id == user["id"]
    await book.database.close()


async def test_when_a_key_was_used_is_written_in_batches(desk: Desk) -> None:
    """No call waits for it."""
    row, whole = await desk.key((await desk.user())["id"])
    await desk.identify(whole)
    assert (await desk.book.keys.get(None, row["id"]))["last_used_at_ms"] is None
    await desk.book._tend_once()
    assert (await desk.book.keys.get(None, row["id"]))["last_used_at_ms"] == int(desk.clock.wall_s() * 1000)


async def test_keys_are_audited_without_secrets(desk: Desk) -> None:
    """Made, changed, rotated, revoked."""
    row, whole = await desk.key((await desk.user())["id"])
    await desk.book.keys.update(None, row["id"], {"name": "other"}, WHO)
    _, second = await desk.book.keys.rotate(None, row["id"], None, WHO)
    await desk.book.keys.revoke(None, row["id"], WHO)
    rows = (await desk.book.reports.audit(f"key:{row['id']}", 0, "")).items
    assert [entry["action"] for entry in rows] == ["key.revoke", "key.rotate", "key.update", "key.create"]
    assert whole[-32:] not in str(rows)
    assert second[-32:] not in str(rows)
