"""Which gateways a call passed: what is taken from a caller, what is sent on, and when a call is refused."""

from __future__ import annotations

import pytest

from gateway.core import hops
from gateway.core.errors import Fault, GatewayError, Kind, Next


def test_the_first_gateway_sends_its_own_id() -> None:
    """A call of a client has passed nothing yet."""
    assert hops.onward("", "me") == "me"
    assert hops.onward("a,b", "me") == "a,b,me"


def test_ids_differ() -> None:
    """Two services are not taken for one, and an id is one that is taken from a caller."""
    first, second = hops.new_id(), hops.new_id()
    assert first != second
    assert hops.taken([first]) == first


@pytest.mark.parametrize(
    ("values", "taken"),
    [
        ([], ""),
        ([""], ""),
        (["a,b"], "a,b"),
        (["a , b\t", "c"], "a,b,c"),
        (["a,,b", ","], "a,b"),
        (["a\r\nx: y", "é", "a b", "x" * 65, "ok"], "ok"),
        ([",".join("abcdefghijkl")], "a,b,c,d,e,f,g,h,i"),
        (["a," * 100_000], "a,a,a,a,a,a,a,a,a"),
    ],
)
def test_only_well_formed_ids_are_taken(values: list[str], taken: str) -> None:
    """Whatever a header says, a call carries ids and commas, and never more than tells that there are too many."""
    assert hops.taken(values) == taken


@pytest.mark.parametrize("passed", ["me", "a,me", "me,a", "a,b,c,d,e,f,g,me", "a,b,c,d,e,f,g,h,i"])
def test_a_call_that_came_back_is_refused_for_good(passed: str) -> None:
    """It is tried nowhere again, and no provider is blamed."""
    with pytest.raises(GatewayError) as refused:
        hops.onward(passed, "me")
    assert refused.value.kind is Kind.UNAVAILABLE
    assert refused.value.row.next is Next.STOP
    assert refused.value.row.fault is not Fault.PROVIDER
    assert (refused.value.http_status, refused.value.code) == (508, "loop_detected")


def test_eight_gateways_are_no_ring() -> None:
    """The limit is above what anybody builds on purpose."""
    assert hops.onward("a,b,c,d,e,f,g,h", "me") == "a,b,c,d,e,f,g,h,me"


def test_an_id_is_compared_whole() -> None:
    """An id that holds ours is another one."""
    assert hops.onward("menot,notme", "me") == "menot,notme,me"
