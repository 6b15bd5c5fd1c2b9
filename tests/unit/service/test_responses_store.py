"""Kept answers: each key's own, bounded in time and size."""

from __future__ import annotations

from functools import partial

import pytest

from gateway.config.schema import Responses
from gateway.core.clock import ManualClock
from gateway.core.errors import GatewayError, Kind
from gateway.service.responses import ResponseStore
from gateway.wire.pb import responses_pb2

MB = 1024 * 1024
LIMITS = Responses()


def answer(response_id: str, size_bytes: int = 10) -> responses_pb2.StoredResponse:
    return responses_pb2.StoredResponse(id=response_id, response_json="x" * size_bytes)


def is_kept(store: ResponseStore, key_id: str, response_id: str) -> bool:
    try:
        return store.get(key_id, response_id).id == response_id
    except GatewayError as error:
        if error.kind is not Kind.NOT_FOUND:
            raise
        return False


def test_a_key_sees_its_own_only() -> None:
    """Another key can neither read nor delete, and its answer of the same id is another one."""
    store = ResponseStore(ManualClock().monotonic)
    store.put("a", answer("r", 1))
    assert not is_kept(store, "b", "r")
    with pytest.raises(GatewayError):
        store.delete("b", "r")
    store.put("b", answer("r", 2))
    store.delete("b", "r")
    assert store.get("a", "r").response_json == "x"


def test_an_answer_is_kept_for_its_time() -> None:
    """Not a second longer, and then it takes no room."""
    clock = ManualClock()
    store = ResponseStore(clock.monotonic)
    store.put("a", answer("r"))
    clock.advance(LIMITS.retention_s - 1)
    assert is_kept(store, "a", "r")
    clock.advance(1)
    assert not is_kept(store, "a", "r")
    assert (len(store), store.total_bytes) == (0, 0)


def test_an_answer_takes_the_place_of_one_with_its_id() -> None:
    """And of its bytes."""
    store = ResponseStore(ManualClock().monotonic)
    store.put("a", answer("r", MB))
    store.put("a", answer("r", 5))
    assert len(store.get("a", "r").response_json) == 5
    assert (len(store), store.total_bytes < MB) == (1, True)


def test_bounds() -> None:
    """What is too large is not kept; a key that keeps much loses its own oldest, and at last everybody's oldest go."""
    store = ResponseStore(ManualClock().monotonic)
    store.put("first", answer("r"))
    assert not store.put("a", answer("huge", LIMITS.answer_max_bytes))
    for at in range(10):
        assert store.put("a", answer(str(at), 3 * MB))
    assert store.total_bytes <= LIMITS.key_max_bytes + 2 * MB
    assert [is_kept(store, "a", str(at)) for at in (0, 4, 5, 9)] == [False, False, True, True]
    assert is_kept(store, "first", "r")
    for key in "bcdef":
        for at in range(5):
            store.put(key, answer(str(at), 3 * MB))
    assert store.total_bytes <= LIMITS.total_max_bytes
    assert not is_kept(store, "first", "r")
    assert is_kept(store, "f", "4")


def test_an_answer_needs_an_id() -> None:
    """Nothing could ask for it."""
    with pytest.raises(GatewayError) as caught:
        ResponseStore(ManualClock().monotonic).put("a", answer(""))
    assert caught.value.param == "id"


def test_limits_are_those_in_force() -> None:
    """A reload counts for what comes after it; time already given is not taken back, nor does it give more."""
    clock, limits = ManualClock(), [Responses(retention_s=100.0)]
    store = ResponseStore(clock.monotonic, lambda: limits[0])
    store.put("a", answer("long"))
    limits[0] = Responses(retention_s=10.0, answer_max_bytes=2048, key_max_bytes=4096)
    assert not store.put("a", answer("large", 2048))
    for number in range(5):
        assert store.put("a", answer(f"r{number}", 100))
    assert not is_kept(store, "a", "long"), "it made room"
    clock.advance(10)
    assert not is_kept(store, "a", "r4")


def test_a_short_time_is_not_made_longer_by_an_earlier_long_one() -> None:
    """What waits behind an older answer is not given past its time."""
    clock, limits = ManualClock(), [Responses(retention_s=100.0)]
    store = ResponseStore(clock.monotonic, lambda: limits[0])
    store.put("a", answer("long"))
    limits[0] = Responses(retention_s=10.0)
    store.put("a", answer("short"))
    clock.advance(10)
    assert (is_kept(store, "a", "long"), is_kept(store, "a", "short")) == (True, False)


def test_nothing_is_kept_where_nothing_may_be() -> None:
    """Also where only one of the limits says so."""
    for limits in (Responses(answer_max_bytes=0), Responses(key_max_bytes=0), Responses(total_max_bytes=10)):
        store = ResponseStore(ManualClock().monotonic, partial(replaced, limits))
        assert not store.put("a", answer("r"))


def replaced(limits: Responses) -> Responses:
    """What is in force."""
    return limits
