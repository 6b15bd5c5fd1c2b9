"""What commands about accounts share: a client, tables, JSON, and failures in words.

Rules:
    - Written on the public client only; whatever a command does, any caller can do.
    - Results go to standard output, everything else to standard error; exit 1 after a failure.
    - Dollars are shown and read with up to six decimals; nothing is rounded.
Not here: what is asked (users, groups, wallet, usage, keys beside this file).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from betterproto2 import Message

    from gateway.client import Client
    from gateway.client.call import Method

Reply = TypeVar("Reply", bound="Message")
Address = Annotated[
    str | None, typer.Option("--address", "-a", help="host:port of the gRPC service. [GATEWAY_GRPC_ADDRESS]")
]
Credential = Annotated[
    str | None, typer.Option("--key", "-k", help="An administrator's key or token. [GATEWAY_API_KEY]")
]
UserId = Annotated[str, typer.Argument(metavar="USER", help="A user's id or email.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TIMEOUT_S = 30.0
_FORMULA = ("=", "+", "-", "@")
PAGE = 500
HINT = "make one beside the gateway: gateway keys create --admin --name ops"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its head, and the member of a message it shows."""

    head: str
    member: str


@contextmanager
def asking(address: str | None, key: str | None) -> Iterator[Client]:
    """A client; a failed call ends the command with its message."""
    from gateway.client import AuthenticationError, Client, GatewayError, PermissionDeniedError

    credential = key or os.environ.get("GATEWAY_API_KEY") or os.environ.get("GATEWAY_DEV_KEY")
    try:
        with Client(address, key=credential, timeout_s=TIMEOUT_S) as client:
            yield client
    except GatewayError as error:
        typer.echo(f"{error}", err=True)
        if isinstance(error, AuthenticationError | PermissionDeniedError):
            typer.echo(f"this needs an administrator's key in --key or GATEWAY_API_KEY; {HINT}", err=True)
        raise typer.Exit(1) from None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def pages_of(client: Client, method: Method[Any, Reply], request: Any) -> Iterator[Reply]:
    """Every page of a list, one after the other; `request` is the one for the first."""
    request.page_size = PAGE
    while True:
        page: Any = client.call(method, request)
        yield page
        request.page_token = page.next_page_token
        if not request.page_token:
            return


def user_id_of(client: Client, user: str) -> str:
    """A user's id; an email is looked up. Raises typer.BadParameter when nobody has it."""
    from gateway.client import accounts, v1

    if "@" not in user:
        return user
    wanted = user.strip().lower()
    page = client.call(accounts.LIST_USERS, v1.ListUsersRequest(page_size=PAGE, contains=wanted))
    found = [each.id for each in page.users if each.email == wanted]
    if not found:
        raise typer.BadParameter(f"nobody has the email {user}")
    return found[0]


def show(found: Sequence[Any], columns: Sequence[Column], *, as_json: bool, none: str) -> None:
    """Messages as a table, or as one JSON array."""
    records = [{column.head: value_of(message, column.member) for column in columns} for message in found]
    if as_json:
        print_json(records)
        return
    from rich.console import Console
    from rich.table import Table

    if not records:
        typer.echo(none, err=True)
        return
    table = Table(*(column.head for column in columns))
    for record in records:
        table.add_row(*("" if value is None else _text(value) for value in record.values()))
    Console().print(table)


def print_csv(found: Sequence[Any], columns: Sequence[Column]) -> None:
    """Messages as CSV; what a spreadsheet would take for a formula has an apostrophe before it."""
    import csv
    import sys

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([column.head for column in columns])
    for message in found:
        values = [value_of(message, column.member) for column in columns]
        writer.writerow([f"'{v}" if isinstance(v, str) and v.startswith(_FORMULA) else v for v in values])


def value_of(message: Any, member: str) -> Any:
    """A member as JSON shows it: times as RFC 3339, money in dollars."""
    for part in member.split("."):
        message = getattr(message, part, None)
    if message is None:
        return None
    if member.endswith("_ms"):
        return datetime.fromtimestamp(message / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if message else None
    if member.endswith("_usd_micros"):
        return float(Decimal(message) / 1_000_000)
    if isinstance(message, Mapping):
        return dict(message)
    return list(message) if isinstance(message, list) else message


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {amount}" for name, amount in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return {True: "yes", False: ""}.get(value, str(value)) if isinstance(value, bool) else str(value)


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    import json

    typer.echo(json.dumps(value, indent=2))


def usd_micros(text: str) -> int:
    """Dollars as written on a command line. Raises typer.BadParameter."""
    try:
        micros = Decimal(text) * 1_000_000
    except InvalidOperation:
        micros = Decimal("NaN")
    if not micros.is_finite() or micros != micros.to_integral_value():
        raise typer.BadParameter(f"{text!r} is no amount in USD with at most 6 decimals")
    return int(micros)


def limits_of(pairs: Sequence[str]) -> dict[str, int]:
    """`requests_per_minute=60` and the like. Raises typer.BadParameter."""
    found = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not value.isdigit():
            raise typer.BadParameter(f"{pair!r} is not NAME=NUMBER, e.g. requests_per_minute=60")
        found[name] = int(value)
    return found
