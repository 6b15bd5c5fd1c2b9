"""What everybody may ask for is made once for all who ask."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from gateway.accounts.calls import Calls
from gateway.accounts.shared import Shared


class Made:
    """Counts how often it was asked; waits until it may answer."""

    def __init__(self) -> None:
        self.count = 0
        self.may_answer = asyncio.Event()
        self.fails = False

    async def __call__(self) -> int:
        self.count += 1
        await self.may_answer.wait()
        if self.fails:
            raise ValueError("no database")
        return self.count


def calls() -> Calls:
    """Without a database, which `once` does not touch."""
    return Calls(cast(Any, Shared))


async def test_all_who_ask_meanwhile_share_one_answer() -> None:
    """A hundred questions are one; another name is another."""
    made, other, under_test = Made(), Made(), calls()
    asked = [asyncio.create_task(under_test.once("a", made)) for _ in range(100)]
    await asyncio.sleep(0)
    made.may_answer.set()
    assert await asyncio.gather(*asked) == [1] * 100
    assert await under_test.once("a", made) == 1
    other.may_answer.set()
    assert await under_test.once("b", other) == 1
    assert (made.count, other.count) == (1, 1)


async def test_a_failure_is_shared_and_not_kept() -> None:
    """Whoever asks next asks anew; who leaves does not take the answer from the others."""
    made, under_test = Made(), calls()
    made.fails = True
    first, second = (asyncio.create_task(under_test.once("a", made)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    made.may_answer.set()
    with pytest.raises(ValueError, match="no database"):
        await second
    made.fails = False
    assert await under_test.once("a", made) == 2
