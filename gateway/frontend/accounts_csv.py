"""Usage and calls as CSV: `?format=csv` of the paths that list them.

Rules:
    - The first line names the columns, as the JSON members are named; money in USD, times as RFC 3339, quotes as in
      RFC 4180.
    - No cell begins a formula: what begins with =, +, -, @ gets an apostrophe before it, unless it is a number.
    - Calls come from several pages, ROWS_MAX at most; where there are more, `x-next-page-token` continues.

Not here: asking (accounts.py), JSON (accounts_json.py).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

from google.protobuf.message import Message

from gateway.frontend import accounts_json
from gateway.frontend.asking import answer_of
from gateway.frontend.reply import Reply
from gateway.rpc.contract import Caller

LISTS = {"GetUsage": "sums", "ListCalls": "calls"}
MEDIA_TYPE = "text/csv; charset=utf-8"
PAGE, ROWS_MAX = 500, 10_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def send_csv(caller: Caller, rpc: str, request: Any, reply: Reply) -> None:
    """Answer with the rows of a list. Raises GatewayError."""
    rows: list[Message] = []
    if rpc == "ListCalls":
        request.page_size = PAGE
    while True:
        page = await answer_of(caller, rpc, request, reply)
        rows += getattr(page, LISTS[rpc])
        token = getattr(page, "next_page_token", "")
        if not token or len(rows) >= ROWS_MAX:
            break
        request.page_token = token
    lines = f"x-next-page-token: {token}\r\n" if token else ""
    body = text_of(rows, _columns(rpc)).encode()
    name = "usage" if rpc == "GetUsage" else "calls"
    lines += f'content-disposition: attachment; filename="{name}.csv"\r\n'
    await reply.send(200, MEDIA_TYPE, body, lines + reply.call_lines())


def _columns(rpc: str) -> list[str]:
    from gateway.wire.pb import accounts_pb2

    kind = accounts_pb2.UsageSum if rpc == "GetUsage" else accounts_pb2.CallRecord
    return list(accounts_json.encode(kind()))


def text_of(rows: Iterable[Message], columns: list[str]) -> str:
    """The whole text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        found = accounts_json.encode(row)
        writer.writerow([_cell(found[column]) for column in columns])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
