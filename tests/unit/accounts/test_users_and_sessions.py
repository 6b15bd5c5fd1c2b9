"""Users: who may register, who is told what, and when a session is over."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

import pytest

from gateway.accounts.shared import Actor
from gateway.accounts.users import NewUser
from gateway.core.errors import GatewayError, Kind
from tests.unit.accounts.conftest import PASSWORD, WHO, Desk


async def refusal(coroutine: Coroutine[Any, Any, object]) -> GatewayError:
    """How something is refused."""
    with pytest.raises(GatewayError) as caught:
        await coroutine
    return caught.value


async def test_registration_is_closed_by_default(desk: Desk) -> None:
    """Nobody makes an account on a gateway whose owner did not say so."""
    error = await refusal(desk.book.users.register(NewUser("a@example.org", PASSWORD), "", WHO))
    assert (error.kind, error.code) == (Kind.PERMISSION_DENIED, "registration_closed")


async def test_open_registration_and_login(desk: Desk) -> None:
    """An email is one account, however it is written; the password opens it."""
    desk.settings = {"registration": "open", "new_user_balance_usd": Decimal(2)}
    user = await desk.book.users.register(NewUser("Ana@Example.org", PASSWORD), "", WHO)
    again = await refusal(desk.book.users.register(NewUser("ana@example.ORG", PASSWORD), "", WHO))
    assert (again.kind, again.code, again.param) == (Kind.INVALID_REQUEST, "email_taken", "email")
    found = await desk.book.users.log_in(" ANA@example.org", PASSWORD, WHO)
    assert found["id"] == user["id"]
    assert (await desk.book.wallets.get(user["id"])).balance_usd_micros == 2_000_000
    assert PASSWORD not in str(found)


async def test_an_invitation_lets_one_in(desk: Desk) -> None:
    """Used once, it leads to its group; without one, or with a used one, nobody registers."""
    desk.settings = {"registration": "invited"}
    await desk.book.groups.put("vip", {}, WHO)
    [(_, invitation)] = await desk.book.codes.invite(1, "vip", None, WHO)
    for given, code in (("", "invitation_required"), ("gwi_wrong", "invitation_invalid")):
        assert (await refusal(desk.book.users.register(NewUser("x@e.org", PASSWORD), given, WHO))).code == code
    user = await desk.book.users.register(NewUser("x@e.org", PASSWORD), invitation, WHO)
    assert (await desk.book.users.get(user["id"]))["group_id"] == "vip"
    error = await refusal(desk.book.users.register(NewUser("y@e.org", PASSWORD), invitation, WHO))
    assert error.code == "invitation_invalid"


async def test_of_two_with_one_invitation_one_gets_in(desk: Desk) -> None:
    """Two at once."""
    desk.settings = {"registration": "invited"}
    [(_, invitation)] = await desk.book.codes.invite(1, "default", None, WHO)
    done = await asyncio.gather(
        *(desk.book.users.register(NewUser(f"u{n}@e.org", PASSWORD), invitation, WHO) for n in range(4)),
        return_exceptions=True,
    )
    assert sum(not isinstance(one, BaseException) for one in done) == 1


WRONG: list[tuple[dict[str, str], str]] = [
    ({"email": "no address"}, "email"),
    ({"email": "a@b\x00.org"}, "email"),
    ({"email": "a" * 400 + "@b.org"}, "email"),
    ({"email": "a@b.org", "password": "short"}, "password"),
    ({"email": "a@b.org", "password": "x" * 10_000}, "password"),
    ({"email": "a@b.org", "username": "tab\there"}, "username"),
    ({"email": "a@b.org", "username": "n" * 201}, "username"),
    ({"email": "a@b.org", "role": "root"}, "role"),
    ({"email": "a@b.org", "group_id": "'; DROP TABLE users; --"}, "group_id"),
    ({"email": "a@b.org", "group_id": "unknown"}, "group_id"),
]


async def test_what_is_no_user(desk: Desk) -> None:
    """The member that is wrong is named; nothing is stored."""
    for members, param in WRONG:
        error = await refusal(desk.book.users.create(NewUser(**{"password": PASSWORD, **members}), WHO))
        assert (error.kind, error.param) == (Kind.INVALID_REQUEST, param), members
    assert (await desk.book.users.list(0, "")).items == []


async def test_what_cannot_be_stored_is_the_callers_fault(desk: Desk) -> None:
    """PostgreSQL takes no NUL: a 400 there, nothing found on SQLite, a 503 nowhere."""
    error = await refusal(desk.book.users.get("a\x00b"))
    assert error.kind in (Kind.INVALID_REQUEST, Kind.NOT_FOUND)


HOSTILE = ["' OR '1'='1", "x'; DROP TABLE users; --", "%", "_", "\\", "ü@e.org", "a" * 5000, "\x00", "🦀@e.org", ""]


async def test_hostile_text_is_only_text(desk: Desk) -> None:
    """As email, password or search it finds nobody and breaks nothing."""
    await desk.user(email="victim@example.org")
    desk.settings = {"logins_per_minute": 100}
    for text in HOSTILE:
        error = await refusal(desk.book.users.log_in(text, text, WHO))
        assert (error.kind, error.code) == (Kind.INVALID_KEY, "invalid_credentials"), text
        if len(text) < 200 and text.isprintable():
            found = (await desk.book.users.list(0, "", contains=text)).items
            assert len(found) == (1 if text == "" else 0), text
        else:
            assert (await refusal(desk.book.users.list(0, "", contains=text))).param == "contains"


async def test_unknown_and_wrong_are_told_alike(desk: Desk) -> None:
    """Nobody learns from a login which emails have accounts."""
    user = await desk.user()
    wrong = await refusal(desk.book.users.log_in(user["email"], "wrong password", WHO))
    unknown = await refusal(desk.book.users.log_in("nobody@example.org", "wrong password", WHO))
    assert (wrong.kind, wrong.message, wrong.code) == (unknown.kind, unknown.message, unknown.code)


async def test_failed_logins_are_counted_by_account_and_address(desk: Desk) -> None:
    """After ten, the account waits, with the right password too; after thirty, the address does, for any account."""
    user = await desk.user()
    for _ in range(10):
        assert (await refusal(desk.book.users.log_in(user["email"], "wrong password", WHO))).kind is Kind.INVALID_KEY
    error = await refusal(desk.book.users.log_in(user["email"], PASSWORD, WHO))
    assert error.kind is Kind.RATE_LIMITED
    assert error.retry_after_s
    elsewhere = Actor("anonymous", "198.51.100.1:1")
    desk.clock.advance(60)
    assert await desk.book.users.log_in(user["email"], PASSWORD, elsewhere)
    desk.settings = {"logins_per_minute": 1}
    outcomes = [await refusal(desk.book.users.log_in(f"n{n}@e.org", "wrong password", WHO)) for n in range(5)]
    assert [error.kind for error in outcomes][-1] is Kind.RATE_LIMITED


async def test_right_logins_are_not_counted(desk: Desk) -> None:
    """Who knows the password may come as often as they like."""
    user = await desk.user()
    desk.settings = {"logins_per_minute": 2}
    for _ in range(8):
        await desk.book.users.log_in(user["email"], PASSWORD, WHO)


async def test_a_refresh_token_works_once_and_a_copy_ends_the_session(desk: Desk) -> None:
    """The next pair works; the old token shown again ends everything that came of it."""
    user = await desk.user()
    first = await desk.book.sessions.begin(user, WHO)
    assert (await desk.identify(first.token)).user_id == user["id"]
    second = await desk.book.sessions.refresh(first.refresh_token, WHO)
    assert (await desk.identify(second.token)).is_session
    assert (await refusal(desk.book.sessions.refresh(first.refresh_token, WHO))).kind is Kind.INVALID_KEY
    for token in (first.token, second.token):
        assert (await refusal(desk.identify(token))).kind is Kind.INVALID_KEY
    assert (await refusal(desk.book.sessions.refresh(second.refresh_token, WHO))).kind is Kind.INVALID_KEY
    assert ("key:tester", "session.copied", f"user:{user['id']}") in await desk.audit()


async def test_a_refresh_token_ends(desk: Desk) -> None:
    """After `refresh_token_s` it is worth nothing."""
    opened = await desk.book.sessions.begin(await desk.user(), WHO)
    desk.clock.advance(31 * 86_400)
    assert (await refusal(desk.book.sessions.refresh(opened.refresh_token, WHO))).kind is Kind.INVALID_KEY


async def test_logging_out_reaches_the_next_call(desk: Desk) -> None:
    """The access token, cached a moment ago, is refused."""
    opened = await desk.book.sessions.begin(await desk.user(), WHO)
    await desk.identify(opened.token)
    await desk.book.sessions.end_session(opened.token, WHO)
    assert (await refusal(desk.identify(opened.token))).kind is Kind.INVALID_KEY


@pytest.mark.parametrize("changes", [{"role": "admin"}, {"password": "another password"}, {"is_blocked": True}])
async def test_what_ends_sessions(desk: Desk, changes: dict[str, object]) -> None:
    """A new role, password or block: who was logged in has to prove again who they are."""
    user = await desk.user()
    opened = await desk.book.sessions.begin(user, WHO)
    await desk.identify(opened.token)
    desk.clock.advance(2)
    await desk.book.users.update(user["id"], changes, WHO)
    assert (await refusal(desk.identify(opened.token))).kind in (Kind.INVALID_KEY, Kind.PERMISSION_DENIED)
    assert (await refusal(desk.book.sessions.refresh(opened.refresh_token, WHO))).kind is Kind.INVALID_KEY


async def test_a_password_is_changed_with_the_old_one(desk: Desk) -> None:
    """Not with another; afterwards only the new one works."""
    user = await desk.user()
    error = await refusal(desk.book.users.change_password(user["id"], "not the old one", "a new password", WHO))
    assert error.kind is Kind.INVALID_KEY
    await desk.book.users.change_password(user["id"], PASSWORD, "a new password", WHO)
    assert (await refusal(desk.book.users.log_in(user["email"], PASSWORD, WHO))).kind is Kind.INVALID_KEY
    assert await desk.book.users.log_in(user["email"], "a new password", WHO)


async def test_a_blocked_user_is_told_so_only_with_the_password(desk: Desk) -> None:
    """Others learn nothing."""
    user = await desk.user()
    await desk.book.users.update(user["id"], {"is_blocked": True}, WHO)
    assert (await refusal(desk.book.users.log_in(user["email"], "wrong password", WHO))).kind is Kind.INVALID_KEY
    assert (await refusal(desk.book.users.log_in(user["email"], PASSWORD, WHO))).kind is Kind.PERMISSION_DENIED


async def test_pages_of_users(desk: Desk) -> None:
    """Every user once, in order, whatever the size of a page."""
    for number in range(5):
        await desk.user(email=f"p{number}@example.org")
    seen, token = [], ""
    while True:
        page = await desk.book.users.list(2, token)
        seen += [row["email"] for row in page.items]
        token = page.next_token
        if not token:
            break
    assert seen == [f"p{number}@example.org" for number in range(5)]
    assert (await refusal(desk.book.users.list(2, "no token!"))).param == "page_token"
    assert (await refusal(desk.book.users.list(501, ""))).param == "page_size"


async def test_every_change_is_audited_without_secrets(desk: Desk) -> None:
    """Who did what to whom, from where; never a password."""
    user = await desk.user()
    await desk.book.users.update(user["id"], {"role": "admin", "password": "another password"}, WHO)
    entries = await desk.audit()
    assert entries == [
        ("key:tester", "user.create", f"user:{user['id']}"),
        ("key:tester", "user.update", f"user:{user['id']}"),
    ]
    rows = (await desk.book.reports.audit(f"user:{user['id']}", 0, "")).items
    assert "another password" not in str(rows)
    assert {row["peer"] for row in rows} == {WHO.peer}
