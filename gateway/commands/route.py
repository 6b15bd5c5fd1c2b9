"""`gateway route explain`: where a call goes, or went, and why; `gateway route list`: how deployments are.

Rules:
    - Without `--live` or `--request-id` the configuration is read as a service would, and nobody is asked.
    - A running service is asked over gRPC, with `admin.key` or `GATEWAY_ADMIN_KEY`; never a provider.
Not here:
    - The decision itself (routing.plan), the record of it (pipeline.explain).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.keys import _load

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gateway.routing.facts import Facts

app = typer.Typer(no_args_is_help=True)
Pairs = Annotated[list[str], typer.Option(metavar="NAME=VALUE", help="May be given several times.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Address = Annotated[str, typer.Option(help="gRPC address of a running service; default: as configured.")]
TIMEOUT_S = 10.0


@app.callback()
def route() -> None:
    """Ask where calls go."""


@app.command()
def explain(  # noqa: PLR0913, PLR0917  # every parameter is an option of the command
    model: Annotated[str, typer.Argument(help="A wire name, as a client would send it.")] = "",
    request_id: Annotated[str, typer.Option(help="A past call of a running service.")] = "",
    live: Annotated[bool, typer.Option("--live", help="Ask a running service: breakers and latencies count.")] = False,
    key: Annotated[str, typer.Option(help="Id of the key.")] = "",
    group: Annotated[str, typer.Option(help="Group of the caller.")] = "",
    user: Annotated[str, typer.Option(help="The request's `user`.")] = "",
    header: Pairs = [],  # noqa: B006  # typer reads the default and never changes it
    metadata: Pairs = [],  # noqa: B006  # typer reads the default and never changes it
    tokens: Annotated[int, typer.Option(min=0, help="Tokens of the prompt.")] = 0,
    output_tokens: Annotated[int, typer.Option(min=0, help="Longest answer asked for.")] = 0,
    need: Annotated[list[str], typer.Option(help="A capability the call needs; several times.")] = [],  # noqa: B006  # typer reads the default and never changes it
    stream: Annotated[bool, typer.Option("--stream", help="A streamed call.")] = False,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Say which deployments a call for MODEL would try, in order, and why; or what became of a past call."""
    from gateway.routing.facts import Facts

    if bool(model) == bool(request_id):
        typer.echo("give MODEL or --request-id", err=True)
        raise typer.Exit(2)
    facts = Facts(
        model, stream, tokens, output_tokens, tuple(need), key, group, user, _pairs(header), _pairs(metadata)
    )  # fmt: skip
    answer = _asked(facts, request_id, address) if live or request_id else _planned(facts)
    if as_json:
        _print_json(answer)
    else:
        _show(answer)


@app.command("list")
def list_deployments(
    model: Annotated[str, typer.Argument(help="A model's key in the configuration; empty = all.")] = "",
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Show the live state of every deployment of a running service."""
    from gateway.wire.pb import admin_pb2

    answer = _call("ListDeployments", admin_pb2.ListDeploymentsRequest(model=model), admin_pb2, address)
    if as_json:
        _print_json(answer)
        return
    titles = ("deployment", "breaker", "reason", "in_flight", "first_content_s", "answer_s", "headroom")
    rows = [
        [each["deployment"], each["unavailable"] or each["breaker"], each["reason"], str(each["in_flight"])]
        + [f"{each[name]:.3g}" for name in titles[4:]]
        for each in answer["deployments"]
    ]
    _table(titles, rows)


def _planned(facts: Facts) -> dict[str, Any]:
    """The plan by the configuration alone."""
    import random

    from gateway.config.catalogue import Catalogue
    from gateway.pipeline.explain import explain as explained
    from gateway.routing.board import Board

    catalogue = Catalogue.of(_load().config)
    answer = explained(catalogue, Board(), facts, random.random, 0.0)
    if answer is None:
        typer.echo(_unknown(facts.model, [name for name, _ in catalogue.listed()]), err=True)
        raise typer.Exit(1)
    return answer


def _asked(facts: Facts, request_id: str, address: str) -> dict[str, Any]:
    """The record a running service gives."""
    from gateway.wire.pb import admin_pb2

    hypothetical = {} if request_id else {name: value for name, value in facts._asdict().items() if value}
    request = admin_pb2.ExplainRouteRequest(request_id=request_id, **hypothetical)
    return _call("ExplainRoute", request, admin_pb2, address)


def _call(name: str, request: Message, pb: Any, address: str) -> dict[str, Any]:
    """One RPC of the Admin service, as plain members."""
    import grpc
    from google.protobuf.json_format import MessageToDict

    config = _load().config
    reply_type = getattr(pb, f"{name}Reply")
    with grpc.insecure_channel(address or f"{config.grpc.host}:{config.grpc.port}") as channel:
        rpc = channel.unary_unary(f"/gateway.v1.Admin/{name}", request.SerializeToString, reply_type.FromString)
        try:
            reply = rpc(request, timeout=TIMEOUT_S, metadata=(("authorization", f"Bearer {_admin_key(config)}"),))
        except grpc.RpcError as error:
            typer.echo(f"{error.code().name}: {error.details()}", err=True)
            raise typer.Exit(1) from None
    answer: dict[str, Any] = MessageToDict(
        reply, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return answer


def _admin_key(config: Any) -> str:
    key = config.admin.key
    return key.reveal() if key is not None and key.is_set else ""


def _pairs(texts: list[str]) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            typer.echo(f'"{text}" is not NAME=VALUE', err=True)
            raise typer.Exit(2)
    return {name.strip(): value for name, _, value in (text.partition("=") for text in texts)}


def _print_json(answer: dict[str, Any]) -> None:
    import json

    typer.echo(json.dumps(answer, indent=2))


def _show(answer: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console()
    decided = f" ({', '.join(answer['because'])})" if answer["because"] else ""
    console.print(f"model {answer['model']} -> entry {answer['entry']}{decided}", highlight=False, markup=False)
    rows = [
        [str(order), row["deployment"], row["upstream_model"], row["base_url"], str(row.get("priority", 0)),
         "" if row.get("weight") is None else str(row["weight"]), str(row["attempts_max"])]
        for order, row in enumerate(answer["candidates"], 1)
    ]  # fmt: skip
    titles = ("order", "deployment", "upstream model", "base URL", "priority", "weight", "attempts")
    if rows:
        _table(titles, rows)
    else:
        console.print("no deployment can be used now")
    for dropped in answer["dropped"]:
        console.print(f"dropped {dropped['deployment']}: {dropped['reason']}", highlight=False, markup=False)
    for tried in answer.get("tried", ()):
        kind = f" ({tried['kind']})" if tried["kind"] else ""
        cause = f": {tried['cause']}" if tried["cause"] else ""
        text = f"tried {tried['deployment']}{kind}: {tried['outcome']} in {tried['ms']:.0f} ms{cause}"
        console.print(text, highlight=False, markup=False)
    if answer.get("outcome"):
        chosen = answer["chosen"] or "nobody"
        console.print(f"{answer['outcome']} after {answer['ms']:.0f} ms, answered by {chosen}", highlight=False)


def _table(titles: tuple[str, ...], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for title in titles:
        table.add_column(title, overflow="fold")  # a name that is cut cannot be looked up
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _unknown(model: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(model, known, n=1)
    hint = f' - did you mean "{near[0]}"?' if near else ""
    return f'no model is configured under the name "{model}"{hint}'
