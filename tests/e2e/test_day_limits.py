"""Limits per day over a restart: what was used before counts on, for keys of the configuration, users and groups.

Rules: two gateways, one after the other, over one database.
Not here: limits in a shared store (test_several_services), the window (tests/unit/quota).
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.accounts.shared import SYSTEM
from gateway.accounts.users import NewUser
from tests.support.databases import KINDS, url_of
from tests.support.place import key_record
from tests.support.raw import Answer, ask
from tests.support.single import InProcess, single

DAILY = "gw-daily.secret-of-daily"
LIMIT = 14
LAYER = {"keys": {"daily": key_record(DAILY, limits={"requests_per_day": LIMIT, "tokens_per_day": 100_000})}}


async def chat(gateway: InProcess, key: str) -> Answer:
    """One call."""
    body = {"model": "sim", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 10}
    return await ask(f"{gateway.base_url}/chat/completions", body, key)


def left(answer: Answer, what: str = "requests") -> int:
    """What the answer says is left."""
    return int(answer.ok().headers[f"x-ratelimit-remaining-{what}"])


async def new_key(gateway: InProcess, email: str, group: str, limits: dict[str, int]) -> str:
    """A key of a new user in that group, with those limits."""
    book = gateway.half.kit.accounts
    assert book is not None
    user = await book.users.create(NewUser(email, "correct horse battery", group_id=group), SYSTEM)
    await book.users.update(user["id"], {"limits": limits}, SYSTEM)
    return (await book.keys.create(user["id"], "gw-", {"name": "k"}, SYSTEM))[1]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_restart_forgets_no_day(kind: str, tmp_path: Path) -> None:
    """Calls of the first moment may pass uncounted; from then on the day is what it was."""
    environ = {"GATEWAY_DATABASE__URL": url_of(kind, tmp_path)}
    async with single(LAYER, environ=environ) as before:
        book = before.half.kit.accounts
        assert book is not None
        await book.groups.put("team", {"name": "Team", "limits": {"requests_per_day": LIMIT}}, SYSTEM)
        keys = [
            DAILY,
            await new_key(before, "user@example.org", "default", {"requests_per_day": LIMIT}),
            await new_key(before, "member@example.org", "team", {}),
        ]
        for key in keys:
            assert [left(await chat(before, key)) for _ in range(3)] == [LIMIT - 1, LIMIT - 2, LIMIT - 3]
        tokens = left(await chat(before, DAILY), "tokens")
    async with single(LAYER, environ=environ) as after:
        for key, spent in zip(keys, (4, 3, 3), strict=True):
            for call in range(1, LIMIT - spent):
                answer = await chat(after, key)
                if left(answer) == LIMIT - spent - call:
                    break
                assert left(answer) == LIMIT - call  # not yet known
                await asyncio.sleep(0.1 * call * call)  # longer each time: there are few calls
            else:
                raise AssertionError("the day was forgotten")
            if key == DAILY:
                assert left(answer, "tokens") < tokens
        answers = [await chat(after, DAILY) for _ in range(LIMIT)]
        answers[-1].error(429, "rate_limit_exceeded")
