"""How the gateway does, for people: `GET /api/status` as new-api has it, and a page in two languages.

Rules:
    - Up means that a call would reach a service now; down is told with 503.
    - No script, no foreign file: the page is one document of its own; every text in it is escaped.

Source: new-api's `/api/status`.

Not here: `/health` and `/readyz` (pages.py).
"""

from __future__ import annotations

import html
import time
from dataclasses import dataclass, field
from functools import cache

from gateway.frontend import answer
from gateway.frontend.context import query_of
from gateway.frontend.new_api_json import UNITS_PER_USD
from gateway.frontend.reply import Reply
from gateway.wire import json

HTML = "text/html; charset=utf-8"
_WORDS = {
    "en": {
        "title": "Status", "gateway": "Gateway", "up": "Up", "down": "Down", "version": "Version", "uptime": "Uptime",
        "endpoint": "Status endpoint", "base": "Base URL",
    },
    "vi": {
        "title": "Trạng thái", "gateway": "Cổng API", "up": "Hoạt động", "down": "Ngừng", "version": "Phiên bản",
        "uptime": "Thời gian hoạt động", "endpoint": "Điểm kiểm tra trạng thái", "base": "URL cơ sở",
    },
}  # fmt: skip


@cache
def version() -> str:
    """Of this gateway, as installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return f"v{installed('one-gateway')}"
    except PackageNotFoundError:
        return "v0"


@dataclass(frozen=True, slots=True)
class Start:
    """When this process began, in unix seconds."""

    unix_s: int = field(default_factory=lambda: int(time.time()))


async def show(reply: Reply, start: Start, *, is_up: bool) -> None:
    """`GET /api/status`."""
    data = {
        "version": version(),
        "start_time": start.unix_s,
        "system_name": reply.profile.system_name,
        "server_address": "",
        "quota_per_unit": UNITS_PER_USD,
        "display_in_currency": True,
        "quota_display_type": "USD",
        "price": 1,
        "email_verification": False,
        "github_oauth": False,
        "turnstile_check": False,
        "top_up_link": "",
        "docs_link": "",
        "setup": True,
    }
    said = {"success": is_up, "message": "" if is_up else "no service is connected", "data": data}
    await reply.send(200 if is_up else 503, answer.JSON, json.dumps(said), "cache-control: no-store\r\n")


async def page(reply: Reply, start: Start, *, is_up: bool) -> None:
    """`GET /status?lang=en|vi`."""
    asked = query_of(reply.request.raw_path).get("lang", "")
    language = asked if asked in _WORDS else reply.profile.page_language
    words = _WORDS.get(language, _WORDS["en"])
    host = reply.request.headers.get("host", "")
    rows = {
        words["gateway"]: words["up"] if is_up else words["down"],
        words["version"]: version(),
        words["uptime"]: _duration(int(time.time()) - start.unix_s),
        words["endpoint"]: "GET /api/status",
        words["base"]: f"//{host}/v1",
    }
    cells = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows.items()
    )
    title = f"{html.escape(reply.profile.system_name)} - {words['title']}"
    text = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{title}</title>'
        f"<h1>{title}</h1><table>{cells}</table>"
        '<p><a href="?lang=en">English</a> <a href="?lang=vi">Tiếng Việt</a></p></html>\n'
    )
    lines = (
        "cache-control: no-store\r\ncontent-security-policy: default-src 'none'\r\nx-content-type-options: nosniff\r\n"
    )
    await reply.send(200 if is_up else 503, HTML, text.encode(), lines)


def _duration(seconds: int) -> str:
    days, rest = divmod(max(0, seconds), 86_400)
    hours, rest = divmod(rest, 3600)
    return f"{days}d {hours}h {rest // 60}m {rest % 60}s"
