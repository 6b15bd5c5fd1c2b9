"""Plain HTTP at a gateway: no SDK between the test and the wire.

Rules: one request, one connection; bodies come back parsed, event streams as the list of their events' data.
Not here: what a client library makes of it (sdk).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

ERROR_MEMBERS = {"message", "type", "param", "code"}
TOTAL_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `headers` in lower case; `body` parsed if it is JSON; `events` the data of each SSE event."""

    status: int
    headers: Mapping[str, str]
    body: Any = None
    text: str = ""
    events: list[str] = field(default_factory=list)
    is_cut: bool = False
    """The connection ended in the middle of the answer."""

    @property
    def chunks(self) -> list[Any]:
        """The JSON of each event but the end marker."""
        return [json.loads(event) for event in self.events if event != "[DONE]"]

    @property
    def is_done(self) -> bool:
        """Whether the stream said that it is complete."""
        return self.events[-1:] == ["[DONE]"]

    @property
    def content(self) -> str:
        """The text of the first choice, whole or streamed."""
        if self.events:
            choices = (choice for chunk in self.chunks for choice in chunk.get("choices", ()))
            return "".join(c["delta"].get("content") or "" for c in choices if c["index"] == 0)
        content: str = self.body["choices"][0]["message"]["content"]
        return content

    def ok(self) -> Answer:
        """This answer, if it is a success."""
        assert self.status == 200, (self.status, self.text)
        return self

    def error(self, status: int, code: str | None = "*", param: str | None = "*") -> dict[str, Any]:
        """The OpenAI error object of a failure with that status, code and param (`*`: any)."""
        assert self.status == status, (self.status, self.text)
        assert isinstance(self.body, dict), self.text
        error: dict[str, Any] = self.body["error"]
        assert set(error) == ERROR_MEMBERS, error
        assert isinstance(error["message"], str)
        assert error["message"]
        assert code in ("*", error["code"]), error
        assert param in ("*", error["param"]), error
        return error


async def ask(
    url: str,
    body: Any = None,
    key: str | None = None,
    *,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send `body` as JSON (POST) or nothing (GET), with the key as bearer."""
    sent = dict(headers or {})
    if key is not None:
        sent["authorization"] = f"Bearer {key}"
    timeout = aiohttp.ClientTimeout(total=TOTAL_S)
    async with (
        aiohttp.ClientSession(timeout=timeout, auto_decompress=True) as session,
        session.request(method or ("GET" if body is None else "POST"), url, json=body, headers=sent) as response,
    ):
        found = {name.lower(): value for name, value in response.headers.items()}
        data, is_cut = await _read(response)
        return _answer(response.status, found, data.decode(), is_cut=is_cut)


async def _read(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    data = b""
    try:
        async for piece in response.content.iter_any():
            data += piece
    except aiohttp.ClientPayloadError:
        return data, True
    return data, False


def _answer(status: int, headers: Mapping[str, str], text: str, *, is_cut: bool) -> Answer:
    media = headers.get("content-type", "").partition(";")[0]
    if media == "text/event-stream":
        lines = text.split("\n")
        events = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        return Answer(status, headers, None, text, events, is_cut)
    body = json.loads(text) if media == "application/json" and text else None
    return Answer(status, headers, body, text, [], is_cut)
