"""From files to tables on both databases: everything once, wallets equal to their ledgers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from gateway.accounts.journal.flush import adopt, flush
from gateway.accounts.journal.keeper import Keeper
from gateway.accounts.journal.record import Running, Used
from gateway.accounts.journal.segments import Journal, segments_of
from gateway.core.errors import GatewayError, Kind
from gateway.store.sql.database import Database
from gateway.store.sql.tables import api_keys, groups, ledger_entries, usage_records, users, wallets
from tests.support.databases import KINDS, fresh
from tests.support.waiting import PATIENCE_S

USED = Used("call", 1_700_000_000_000, "u1", "k1", "sim", "simulator", "complete", 10, 20, 0, 100, is_charged=True)


@pytest.fixture(params=KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database with two users, each with money and a key."""
    made = Database(fresh(request.param, tmp_path), timeout_s=PATIENCE_S)
    async with made.write() as connection:
        await connection.execute(
            insert(groups).values(id="g", name="", ratio_ppm=1_000_000, models=[], limits={}, created_at_ms=1)
        )
        for at in (1, 2):
            await connection.execute(insert(users).values(_user(at)))
            await connection.execute(insert(wallets).values(user_id=f"u{at}", balance_usd_micros=1000))
            await connection.execute(insert(ledger_entries).values(_top_up(at)))
            await connection.execute(insert(api_keys).values(_key(at)))
    yield made
    await made.close()


def _user(at: int) -> dict[str, Any]:
    return {
        "id": f"u{at}", "email": f"{at}@example.com", "username": "", "password_hash": "", "role": "user",
        "group_id": "g", "is_blocked": False, "limits": {}, "tokens_from_ms": 0, "created_at_ms": 1,
    }  # fmt: skip


def _top_up(at: int) -> dict[str, Any]:
    return {
        "user_id": f"u{at}", "kind": "top_up", "amount_usd_micros": 1000, "balance_usd_micros": 1000,
        "idempotency_key": "first", "note": "", "actor": "system", "created_at_ms": 1,
    }  # fmt: skip


def _key(at: int) -> dict[str, Any]:
    return {
        "id": f"k{at}", "user_id": f"u{at}", "name": "", "shown_prefix": "", "models": [], "allowed_ips": [],
        "limits": {}, "spent_usd_micros": 0, "is_blocked": False, "created_at_ms": 1,
    }  # fmt: skip


async def state(database: Database) -> dict[str, Any]:
    """Calls, balances and what keys spent; every wallet equals its ledger."""
    async with database.read() as connection:
        balances = dict((await connection.execute(select(wallets.c.user_id, wallets.c.balance_usd_micros))).all())
        summed = select(ledger_entries.c.user_id, func.sum(ledger_entries.c.amount_usd_micros)).group_by("user_id")
        sums = {user: int(amount) for user, amount in (await connection.execute(summed)).all()}
        assert balances == sums
        spent = dict((await connection.execute(select(api_keys.c.id, api_keys.c.spent_usd_micros))).all())
        calls = (await connection.execute(select(func.count()).select_from(usage_records))).scalar()
        return {"calls": calls, "balances": balances, "spent": spent}


async def test_what_was_used_is_in_the_database_once(database: Database, tmp_path: Path) -> None:
    """Many batches of two users and of a key without user; told again, nothing changes; segments are gone."""
    journal = Journal(tmp_path / "journal", "a")
    for number in range(1201):
        user = number % 3
        who: dict[str, Any] = (
            {"user_id": f"u{user}", "key_id": f"k{user}"} if user else {"user_id": "", "key_id": "yaml"}
        )
        journal.ended(replace(USED, id=f"call-{number}", cost_usd_micros=1, **who))
    journal.write()
    copy = (journal.folder / "00000001.jsonl").read_bytes()
    assert await flush(journal, database) == 1201
    expected = {"calls": 1201, "balances": {"u1": 600, "u2": 600}, "spent": {"k1": 400, "k2": 400}}
    assert await state(database) == expected
    (journal.folder / "00000000.jsonl").write_bytes(copy)  # as after a crash between commit and delete
    assert await flush(journal, database) == 0
    assert await state(database) == expected
    assert len(segments_of(journal.folder)) == 1
    journal.close()


async def test_a_batch_of_old_and_new_charges_the_new(database: Database, tmp_path: Path) -> None:
    """Also when one record stands in it twice."""
    journal = Journal(tmp_path / "journal", "a")
    journal.ended(USED)
    await flush(journal, database)
    for name in ("call", "next", "next"):
        journal.ended(replace(USED, id=name))
    journal.write()
    assert await flush(journal, database) == 1
    assert (await state(database))["balances"]["u1"] == 800
    journal.close()


async def test_a_call_without_price_or_user_is_kept(database: Database, tmp_path: Path) -> None:
    """Usage without money: no price, a user who is gone, a cost of nothing, a user who is not charged."""
    journal = Journal(tmp_path / "journal", "a")
    journal.ended(replace(USED, id="a", cost_usd_micros=None))
    journal.ended(replace(USED, id="b", user_id="gone", key_id="gone"))
    journal.ended(replace(USED, id="c", cost_usd_micros=0))
    journal.ended(replace(USED, id="d", is_charged=False))
    journal.write()
    assert await flush(journal, database) == 4
    assert await state(database) == {"calls": 4, "balances": {"u1": 1000, "u2": 1000}, "spent": {"k1": 100, "k2": 0}}
    journal.close()


async def test_what_a_dead_process_left_is_adopted(database: Database, tmp_path: Path) -> None:
    """Its settled calls and its running streams, charged once; a living one is left alone."""
    root = tmp_path / "journal"
    dead, lives = Journal(root, "dead"), Journal(root, "lives")
    dead.ended(USED)
    meter = dead.began(Running("stream", 5, "u2", "k2", "sim", "simulator", 10, 7, "2", is_charged=True))
    assert meter is not None
    meter(40)
    dead.close()
    assert await adopt(root, database) == (2, 1)
    assert await state(database) == {"calls": 2, "balances": {"u1": 900, "u2": 973}, "spent": {"k1": 100, "k2": 27}}
    assert await adopt(root, database) == (0, 0)
    assert [path.name for path in root.iterdir()] == ["lives"]
    lives.close()


async def test_without_a_database_the_journal_waits(tmp_path: Path) -> None:
    """An outage costs room on disk and nothing else."""
    place = fresh("sqlite", tmp_path)
    assert place.file is not None
    place.file.mkdir(parents=True)  # nothing that opens as a database
    database, journal = Database(place, timeout_s=PATIENCE_S), Journal(tmp_path / "journal", "a")
    journal.ended(USED)
    for _ in range(2):
        with pytest.raises((GatewayError, OSError)) as caught:
            await flush(journal, database)
        if isinstance(caught.value, GatewayError):
            assert caught.value.kind is Kind.UNAVAILABLE
    assert [used for path in segments_of(journal.folder) for used in path.read_bytes().splitlines()] != []
    place.file.rmdir()
    assert await flush(journal, database) == 1
    await database.close()
    journal.close()


@pytest.mark.parametrize("poison", [{"model": "sim-\0"}, {"prompt_tokens": 2**70}, {"cost_usd_micros": 2**70}])
async def test_a_record_that_cannot_be_stored_costs_no_other(
    database: Database, tmp_path: Path, poison: dict[str, Any]
) -> None:
    """It is left out alone, with all it says told; those around it are charged once, now and told again."""
    journal = Journal(tmp_path / "journal", "a")
    for number in range(100):
        members: dict[str, Any] = {"cost_usd_micros": 1, **(poison if number == 41 else {})}
        journal.ended(replace(USED, id=f"call-{number}", **members))
    told: list[str] = []
    is_stored = poison.get("model") is not None and database.place.is_sqlite  # which holds a NUL
    await flush(journal, database, lambda row, _why: told.append(str(row["id"])))
    assert told == ([] if is_stored else ["call-41"])
    count = 100 if is_stored else 99
    assert await state(database) == {
        "calls": count, "balances": {"u1": 1000 - count, "u2": 1000}, "spent": {"k1": count, "k2": 0}
    }  # fmt: skip
    assert segments_of(journal.folder)[:-1] == []
    journal.close()


async def test_no_record_ends_the_keeping(database: Database, tmp_path: Path) -> None:
    """Left by a dead process, it holds up no balance; come later, no call after it."""
    root = tmp_path / "journal"
    dead = Journal(root, "dead")
    dead.ended(replace(USED, id="first", cost_usd_micros=2**70))
    dead.close()
    said: list[str] = []
    keeper = Keeper(root, "lives", database, lambda event, _cause: said.append(event))
    keeper.start()
    async with asyncio.timeout(PATIENCE_S):
        await keeper.is_adopted.wait()
    keeper.journal.ended(replace(USED, id="second", cost_usd_micros=2**70))
    assert await keeper.bring()
    keeper.journal.ended(replace(USED, id="third"))
    assert await keeper.bring()
    await keeper.stop()
    assert said.count("usage cannot be stored") == 2
    assert (await state(database))["balances"] == {"u1": 900, "u2": 1000}
