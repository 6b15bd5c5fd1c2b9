"""`/auth/*` and `/admin/*`: accounts over HTTP, one row per operation; everything is asked of the service.

Rules:
    - A row is a method and a path, the RPC it stands for, and what of the path goes into its message.
    - Members of a query are those of the message, like members of a body.
Not here:
    - Bodies (accounts_json.py); who may ask, and for what (the service).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote

from gateway.core.errors import GatewayError, Kind
from gateway.frontend import accounts_csv, accounts_json
from gateway.frontend.body import read_json
from gateway.frontend.inference import answer_whole, context_of
from gateway.frontend.reply import Reply
from gateway.rpc.contract import ACCOUNT_METHODS, Caller

Endpoint = Callable[[Reply], Awaitable[None]]
QUERY_MEMBERS_MAX = 20
_WITH_BODY = ("POST", "PUT", "PATCH")
_NUMBERS = ("page_size", "count", "overlap_s")


@dataclass(frozen=True, slots=True)
class Row:
    """One operation. `known` are members the path decides; `rename` says where a part of the path goes."""

    method: str
    path: str
    rpc: str
    known: Mapping[str, Any] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = False
    list_of: str = ""  # the answer is the bare array of this member
    summary: str = ""


_USER = {"id": "user_id"}
ROWS = (
    Row("POST", "/auth/register", "Register", is_open=True, summary="Make an account, where registration is open"),
    Row("POST", "/auth/login", "LogIn", is_open=True, summary="An email and a password for tokens"),
    Row("POST", "/auth/refresh", "RefreshSession", is_open=True, summary="A refresh token for the next pair"),
    Row("POST", "/auth/logout", "LogOut", summary="End the session of the presented token"),
    Row("POST", "/auth/password", "ChangePassword", summary="A new password; ends every session"),
    Row("GET", "/auth/me", "GetMe", summary="The user behind the credential"),
    Row("GET", "/auth/keys", "ListKeys", list_of="keys", summary="List own API keys"),
    Row("POST", "/auth/keys", "CreateKey", summary="Make an API key; it is shown once"),
    Row("GET", "/auth/keys/{id}", "GetKey", summary="One key's record"),
    Row("PATCH", "/auth/keys/{id}", "UpdateKey", summary="Change a key"),
    Row("PUT", "/auth/keys/{id}", "UpdateKey", summary="The same as PATCH"),
    Row("DELETE", "/auth/keys/{id}", "RevokeKey", summary="Revoke a key for ever"),
    Row("POST", "/auth/keys/{id}/rotate", "RotateKey", summary="A new secret; the old one works a while longer"),
    Row("GET", "/auth/wallet", "GetWallet", summary="The balance"),
    Row("GET", "/auth/ledger", "ListLedger", summary="Every change of the balance"),
    Row("POST", "/auth/redeem", "Redeem", summary="A code for money"),
    Row("GET", "/auth/usage", "GetUsage", summary="Sums over own calls"),
    Row("GET", "/auth/calls", "ListCalls", summary="Own calls, newest first"),
    Row("GET", "/auth/billing", "GetBilling", summary="What the presented key or session may still spend"),
    Row("GET", "/admin/users", "ListUsers", summary="Users by email"),
    Row("POST", "/admin/users", "CreateUser", summary="Make a user"),
    Row("GET", "/admin/users/{id}", "GetUser", summary="One user and their wallet"),
    Row("PATCH", "/admin/users/{id}", "UpdateUser", summary="Change a user"),
    Row("GET", "/admin/users/{id}/keys", "ListKeys", rename=_USER, summary="A user's keys"),
    Row("POST", "/admin/users/{id}/keys", "CreateKey", rename=_USER, summary="Make a key for a user"),
    Row("GET", "/admin/users/{id}/ledger", "ListLedger", rename=_USER, summary="A user's ledger"),
    Row("GET", "/admin/users/{id}/usage", "GetUsage", rename=_USER, summary="Sums over a user's calls"),
    Row("POST", "/admin/users/{id}/top-up", "ChangeWallet", {"kind": "top_up"}, _USER, summary="Fill a wallet"),
    Row("POST", "/admin/users/{id}/adjust", "ChangeWallet", {"kind": "adjust"}, _USER, summary="Correct a wallet"),
    Row(
        "PUT", "/admin/users/{id}/groups/{group}", "SetMember", {"is_member": True}, _USER,
        summary="Let a user make keys for a further group",
    ),
    Row(
        "DELETE", "/admin/users/{id}/groups/{group}", "SetMember", {"is_member": False}, _USER,
        summary="Not any more",
    ),
    Row("GET", "/admin/keys", "ListKeys", summary="Keys; with a key of the configuration, everybody's"),
    Row("GET", "/admin/groups", "ListGroups", summary="Groups by id"),
    Row("PUT", "/admin/groups/{id}", "PutGroup", summary="Make a group, or change it"),
    Row("DELETE", "/admin/groups/{id}", "DeleteGroup", summary="Remove a group that nobody is in"),
    Row("GET", "/admin/codes", "ListCodes", summary="Redemption codes, without the codes"),
    Row("POST", "/admin/codes", "CreateCodes", summary="Make redemption codes; they are shown once"),
    Row("DELETE", "/admin/codes/{id}", "BlockCode", summary="A code is worth nothing from now on"),
    Row("POST", "/admin/invitations", "CreateInvitations", summary="Make invitations; they are shown once"),
    Row("GET", "/admin/calls", "ListCalls", {"is_of_everybody": True}, summary="Everybody's calls, newest first"),
    Row("GET", "/admin/stats", "GetStats", summary="The whole gateway, since seven days ago"),
    Row("GET", "/admin/prices", "ListPrices", summary="What models cost, and for whom"),
    Row("GET", "/admin/usage", "GetUsage", {"is_of_everybody": True}, summary="Sums over everybody's calls"),
    Row("GET", "/admin/audit", "ListAudit", summary="Who changed what"),
)  # fmt: skip
_BY_PATH: dict[str, dict[str, Row]] = {}
for _row in ROWS:
    _BY_PATH.setdefault(_row.path, {})[_row.method] = _row
_WITH_PARTS = [(path.split("/"), path) for path in _BY_PATH if "{" in path]


def find(caller: Caller, path: str) -> tuple[str, dict[str, Endpoint]] | None:
    """The route of a path of the accounts, and its methods."""
    if not path.startswith(("/auth/", "/admin/")):
        return None
    route, parts = _match(path)
    if not route:
        return None
    rows = _BY_PATH[route]
    endpoints: dict[str, Endpoint] = {method: partial(ask, caller, row, parts) for method, row in rows.items()}
    return route, endpoints | ({"HEAD": endpoints["GET"]} if "GET" in endpoints else {})


def _match(path: str) -> tuple[str, dict[str, str]]:
    """The route of a path, and its parts by name; no route for any other."""
    if path in _BY_PATH and "{" not in path:
        return path, {}
    given = path.split("/")
    for wanted, route in _WITH_PARTS:
        if len(wanted) == len(given) and all(
            w == g or (w[:1] == "{" and g) for w, g in zip(wanted, given, strict=True)
        ):
            pairs = zip(wanted, given, strict=True)
            return route, {name[1:-1]: unquote(part, errors="replace") for name, part in pairs if name[:1] == "{"}
    return "", {}


async def ask(caller: Caller, row: Row, parts: Mapping[str, str], reply: Reply) -> None:
    """Answer a request of that row; `parts` are those of its path by name. Raises GatewayError."""
    method = ACCOUNT_METHODS[row.rpc]
    known = {**row.known, **{row.rename.get(name, name): value for name, value in parts.items()}}
    members = {row.rename.get(name, name): value for name, value in (await _members(reply)).items()}
    is_csv = row.rpc in accounts_csv.LISTS and members.pop("format", "json") == "csv"
    request = accounts_json.decode(method.request, members, **known)
    if is_csv:
        await accounts_csv.send_csv(caller, row.rpc, request, reply)
        return
    context = context_of(reply, has_credential=not row.is_open)

    def encode(message: Any) -> Any:
        found = accounts_json.encode(message)
        return found[row.list_of] if row.list_of else found

    await answer_whole(caller(method, request, context), encode, reply)


async def _members(reply: Reply) -> dict[str, Any]:
    """What a request says: its query, and its body if it has one."""
    request = reply.request
    found = _query(request.raw_path.partition("?")[2])
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    if request.method not in _WITH_BODY or not has_body:
        return found
    body, reply.received_bytes = await read_json(request, reply.http, reply.hold)
    return found | body


def _query(text: str) -> dict[str, Any]:
    try:
        found = parse_qs(text, max_num_fields=QUERY_MEMBERS_MAX, keep_blank_values=True)
    except ValueError:
        raise GatewayError(Kind.INVALID_REQUEST, f"More than {QUERY_MEMBERS_MAX} members in the query.") from None
    members: dict[str, Any] = {name: values[-1] for name, values in found.items() if name != "key"}
    return {name: _number(name, value) if name in _NUMBERS else value for name, value in members.items()}


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise GatewayError(Kind.INVALID_REQUEST, f"`{name}` must be an integer.", param=name)
    return int(text)
