"""The command `scripts/loadtest`: starts simulator and gateway, runs a scenario, shows and judges its thresholds.

Rules:
    - Exit codes: 0 every threshold met, 1 one missed, 2 the command line or the scenario is wrong, 3 it could not run.
    - Results go to `results/<scenario>-<profile>/`: HTML, CSV and the logs of what was started.
Not here:
    - Scenarios (scenarios/*.yaml), users (locustfile), long suites (suites).
"""

from __future__ import annotations

import argparse
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

from loadtests import checks, locust_run, scenario, stack
from loadtests.suites import SUITES

RESULTS = stack.ROOT / "results"


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/loadtest", description=__doc__.partition("\n")[0])
    parser.add_argument("scenario", nargs="?", help="a name of --list")
    parser.add_argument("--list", action="store_true", help="name every scenario")
    parser.add_argument("--full", action="store_true", help="the full profile, not the short one of CI")
    parser.add_argument("--base-url", help="a gateway that runs already, with /v1 (its own process: no memory figures)")
    parser.add_argument("--grpc", default="", help="its gRPC address, HOST:PORT")
    parser.add_argument("--key", default=stack.KEY, help="its API key")
    parser.add_argument("--pid", type=int, default=0, help="its first process id, for memory figures")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where HTML, CSV and logs go")
    return parser.parse_args(argv)


def run(chosen: scenario.Scenario, options: argparse.Namespace, folder: Path) -> list[checks.Check]:
    """Start what is needed, run, stop it."""
    profile = chosen.full if options.full else chosen.short
    with ExitStack() as running:
        if options.base_url:
            gateway = stack.Gateway(options.base_url.rstrip("/"), options.grpc, options.key, options.pid)
            upstream = ""
        else:
            place = running.enter_context(stack.place())
            is_canned = profile.parameters.get("upstream") == "canned"
            start = stack.canned_upstream if is_canned else stack.simulator
            upstream = running.enter_context(start(folder / "upstream.log"))
            more = profile.parameters.get("configuration")
            gateway = running.enter_context(
                stack.gateway(upstream, place / "gateway", folder / "gateway.log", more=more)
            )
            stack.paying_key(gateway)  # the database's libraries come before what is measured, not amid it
        if chosen.suite == "locust":
            return locust_run.run(chosen, profile, gateway, folder)
        found = SUITES[chosen.suite](profile.parameters, gateway, upstream)
        checks.write(folder, chosen.name, found.checks, found.facts, found.samples)
        for name, value in found.facts.items():
            print(f"  {name}: {value}")
        return found.checks


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    options = arguments(argv)
    if options.list or not options.scenario:
        for name in scenario.names():
            print(f"{name:14} {scenario.load(name).description}")
        return 0 if options.list else 2
    try:
        chosen = scenario.load(options.scenario)
    except (FileNotFoundError, scenario.ScenarioInvalid) as error:
        print(error if isinstance(error, scenario.ScenarioInvalid) else f"no scenario `{options.scenario}`; try --list")
        return 2
    stack.allow_many_files()
    folder = options.results / f"{chosen.name}-{'full' if options.full else 'short'}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"{chosen.name} ({folder.name.rpartition('-')[2]} profile): {chosen.description}", flush=True)
    try:
        found = run(chosen, options, folder)
    except (stack.NotStarted, RuntimeError, OSError) as error:
        print(f"could not run: {error}", file=sys.stderr)
        return 3
    print(checks.table(found))
    print(f"results: {folder}")
    return 0 if found and all(check.is_met for check in found) else 1


if __name__ == "__main__":
    sys.exit(main())
