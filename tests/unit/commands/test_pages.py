"""Lists that commands read to their end."""

from __future__ import annotations

from typing import Any, cast

from gateway.client import Client, accounts, v1
from gateway.commands.asking import PAGE, pages_of

NAMES = tuple("abcde")


class Paged:
    """A client of a service that gives two groups a page, whatever size was asked for."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def call(self, method: Any, request: v1.ListGroupsRequest) -> v1.ListGroupsReply:
        """One page, from the place that the token names."""
        assert method is accounts.LIST_GROUPS
        self.sizes.append(request.page_size)
        start = int(request.page_token or 0)
        end = start + 2
        groups = [v1.Group(id=name) for name in NAMES[start:end]]
        return v1.ListGroupsReply(groups=groups, next_page_token=str(end) if end < len(NAMES) else "")


def test_every_page_is_read_once() -> None:
    """In order, until a page names no other; the size stays what the first asked for."""
    client = Paged()
    pages = pages_of(cast("Client", client), accounts.LIST_GROUPS, v1.ListGroupsRequest())
    assert [group.id for page in pages for group in page.groups] == list(NAMES)
    assert client.sizes == [PAGE] * 3
