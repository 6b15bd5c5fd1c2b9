"""The commands: `gateway serve`, `frontend`, `service`, `simulate`, `chat`, `config`, `route`, `keys`, accounts.

Rules:
    - Each command imports what it needs when it runs; `gateway --help` loads no server.
    - Exit codes: 0 done, 1 it failed, 2 the command line is wrong, 78 the configuration is wrong.
Not here:
    - What commands do (app, commands).
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from gateway.app import grpc_tuning
from gateway.commands import catalogue, chat, config, db, groups, keys, route, usage, users, wallet

app = typer.Typer(
    name="gateway",
    help="One LLM gateway, two protocols: OpenAI-compatible HTTP and typed gRPC over one pipeline.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(config.app, name="config", help="Check, explain and compare the configuration.")
app.add_typer(catalogue.app, name="catalogue", help="Keep prices up to date.")
app.add_typer(route.app, name="route", help="Ask where calls go.")
app.add_typer(keys.app, name="keys", help="Make, list and revoke API keys.")
app.add_typer(users.app, name="users", help="People: make, show and change users.")
app.add_typer(groups.app, name="groups", help="What people pay and may use.")
app.add_typer(wallet.app, name="wallet", help="Balances, top-ups, ledgers, redemption codes.")
app.add_typer(db.app, name="db", help="The database of the accounts.")
app.command("usage", help="What was used, by model, provider, user, key or day.")(usage.command)
app.command("chat", help="Chat with a model in the terminal, over gRPC.")(chat.command)


@app.command()
def serve(
    single: Annotated[bool, typer.Option("--single", help="Run both halves in one process.")] = False,
) -> None:
    """Run the whole gateway: one service, frontends, and the simulator in development."""
    from gateway.commands import banner

    if single:
        grpc_tuning.prepare()
        from gateway.app import single as role
        from gateway.app.plan import plan_of
        from gateway.config.load import load
        from gateway.config.problems import ConfigErrors

        try:
            plan = plan_of(load())  # before the gateway reads its keys: one that is made here works at once
        except ConfigErrors as errors:
            typer.echo(str(errors), err=True)
            raise typer.Exit(78) from None

        def announce(running: Any) -> None:
            banner.show({**plan, "http": running.http.url.removeprefix("http://")})

        raise typer.Exit(role.main(load, announce))
    from gateway.app import serve as supervised

    raise typer.Exit(supervised.main(banner.show))


@app.command()
def frontend(
    service: Annotated[list[str], typer.Option("--service", help="A service's link: HOST:PORT or unix:PATH.")],
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of http.host.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, instead of http.port.")] = None,
    tls_ca: Annotated[str | None, typer.Option(help="PEM file: who signs services. GATEWAY_LINK_TLS_CA.")] = None,
    tls_cert: Annotated[str | None, typer.Option(help="PEM file: own certificate. GATEWAY_LINK_TLS_CERT.")] = None,
    tls_key: Annotated[str | None, typer.Option(help="PEM file: its private key. GATEWAY_LINK_TLS_KEY.")] = None,
) -> None:
    """Run the HTTP half only. Over TCP, it shows the service's GATEWAY_LINK_SECRET or a certificate."""
    grpc_tuning.prepare()
    from gateway.app import frontend as role

    raise typer.Exit(role.main(service, host, port, tls_files=(tls_ca, tls_cert, tls_key)))


@app.command()
def service(
    link: Annotated[str | None, typer.Option(help="Where frontends connect: HOST:PORT or unix:PATH.")] = None,
) -> None:
    """Run the service half only: pipeline, gRPC listener, and the link for frontends."""
    grpc_tuning.prepare()
    from gateway.app import service as role

    raise typer.Exit(role.main(link))


@app.command()
def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 lets the system choose.")] = 9100,
    key: Annotated[str | None, typer.Option(help="Refuse requests without this key.")] = None,
) -> None:
    """Run the stand-in upstream: latency, chunks and faults are chosen by the model name."""
    from gateway.simulator.server import run

    run(host, port, key)


def _leave_no_core() -> None:
    """Keys live in memory: a crash writes none of it to a disk. Children inherit this."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def main() -> None:
    """The entry point of the `gateway` script."""
    _leave_no_core()
    app()


if __name__ == "__main__":
    main()
