"""What `gateway serve` says when it starts: where it listens, with which key, and what answers.

Rules:
    - A new key is shown here and nowhere else, once.
    - Goes to standard output, so that logs (standard error) stay one JSON object per line.
Not here:
    - Making the key (app.state).
"""

from __future__ import annotations

import sys
from typing import Any


def show(plan: dict[str, Any]) -> None:
    """Print the banner of a plan."""
    for line in lines(plan):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def lines(plan: dict[str, Any]) -> list[str]:
    """The banner, line by line."""
    url = f"http://{plan['http']}"
    text = [f"gateway ({plan['environment']})", f"  HTTP    {url}/v1   (health {url}/health, metrics {url}/metrics)"]
    text += [f"  HTTP    {shown}" for shown in plan.get("listeners", {}).values()]
    if plan["grpc"]:
        text.append(f"  gRPC    {plan['grpc']}")
    if plan["new_key"]:
        text += [
            "  key     made now, shown only this once (more: gateway keys create):",
            f"            export OPENAI_BASE_URL={url}/v1",
            f"            export OPENAI_API_KEY={plan['new_key']}",
        ]
    elif plan["has_dev_key"]:
        text.append("  key     the one in GATEWAY_DEV_KEY")
    elif plan.get("has_keys", True):
        text.append("  key     one made earlier (new: gateway keys create --name NAME)")
    elif plan.get("is_key_required", True):
        text.append("  key     there is none yet, every call is refused (gateway keys create --name NAME)")
    else:
        text.append("  key     none needed (auth.is_required: false)")
    if plan["is_simulated"]:
        text.append("  models  no provider key is set: the well-known names are answered by the built-in SIMULATOR")
    if keyless := plan.get("keyless_models"):
        text.append(f"  note    {keyless} models cannot be served: no key of their providers is set")
    text += [f"  note    {warning}" for warning in plan["warnings"]]
    return text
