"""`gateway usage`: what was used, by model, provider, user, key or day.

Rules:
    - Days and times are UTC; `until` is not part of the span.
Not here: how usage is recorded (docs/accounts.md).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from gateway.commands.asking import Address, AsJson, Column, Credential, asking, print_csv, show, user_id_of

NUMBERS = (
    Column("calls", "calls"),
    Column("prompt_tokens", "prompt_tokens"),
    Column("completion_tokens", "completion_tokens"),
    Column("cost_usd", "cost_usd_micros"),
)
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC.")]


def command(  # noqa: PLR0913, PLR0917  # one parameter per option of the command line
    by: Annotated[str, typer.Option(help="model, provider, user, key or day.")] = "model",
    user: Annotated[str, typer.Option(help="A user's id or email; without it, everybody's.")] = "",
    since: Day = None,
    until: Day = None,
    own: Annotated[bool, typer.Option("--own", help="Of the credential's own user.")] = False,
    address: Address = None,
    key: Credential = None,
    as_json: AsJson = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
) -> None:
    """Show sums over calls, the largest first."""
    from gateway.client import accounts, v1

    request = v1.GetUsageRequest(
        by=by, user_id=user, from_ms=_ms(since), until_ms=_ms(until), is_of_everybody=not user and not own
    )
    with asking(address, key) as client:
        request.user_id = user_id_of(client, user)
        sums = client.call(accounts.GET_USAGE, request).sums
    columns = (Column(by, "of"), *NUMBERS)
    if csv:
        print_csv(sums, columns)
        return
    show(sums, columns, as_json=as_json, none="no calls")


def _ms(time: datetime | None) -> int | None:
    from datetime import UTC

    return None if time is None else int(time.replace(tzinfo=UTC).timestamp() * 1000)
