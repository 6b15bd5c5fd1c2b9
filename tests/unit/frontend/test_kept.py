"""Items of kept answers: ids, pages, paths."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import GatewayError
from gateway.frontend import kept
from gateway.rpc.contract import Caller
from gateway.wire.responses.listed import items_of

NOBODY: Any = None
CALLER: Caller = NOBODY


def test_items_have_ids() -> None:
    """Their own, or ones made; a text is spelled as parts."""
    given = [{"role": "user", "content": "hi"}, {"type": "function_call", "id": "own", "call_id": "c"}]
    first, second = items_of(given, "1")
    assert first == {
        "id": "msg_1_in0", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]
    }  # fmt: skip
    assert second == given[1]
    assert items_of("hi", "1") == [first]


def test_pages() -> None:
    """Newest first unless asked otherwise; each page begins behind the last one's end."""
    items = [{"id": str(at)} for at in range(5)]
    page = kept.page_of(items, {"limit": "2"})
    assert [item["id"] for item in page["data"]] == ["4", "3"]
    assert (page["first_id"], page["last_id"], page["has_more"]) == ("4", "3", True)
    page = kept.page_of(items, {"order": "asc", "after": "2"})
    assert [item["id"] for item in page["data"]] == ["3", "4"]
    assert page["has_more"] is False


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"limit": "9" * 99}, {"order": "up"}]
)
def test_a_wrong_page_is_refused(query: dict[str, str]) -> None:
    """By the name of what is wrong."""
    with pytest.raises(GatewayError) as caught:
        kept.page_of([], query)
    assert caught.value.param == next(iter(query))


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/responses/resp_1", kept.ONE),
        ("/v1/responses/resp_1/input_items", kept.ITEMS),
        ("/v1/responses/resp_1/cancel", kept.CANCEL),
        ("/v1/responses/", None),
        ("/v1/responses//cancel", None),
        ("/v1/responses/resp_1/other", None),
        ("/v1/responses/resp_1/", None),
        ("/v1/other/resp_1", None),
    ],
)
def test_paths(path: str, route: str | None) -> None:
    """Of one answer; any other is no route."""
    found = kept.find(CALLER, path)
    assert (found and found[0]) == route
