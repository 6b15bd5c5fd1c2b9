"""What administrators do: users, groups, money, codes, and reading what was changed.

Rules:
    - One function per method of the contract, by its name in snake case; the table's caller has checked the role.
Not here:
    - What users do themselves (own).
"""

from __future__ import annotations

from gateway.accounts.texts import usd_micros, wrong
from gateway.accounts.users import NewUser
from gateway.accounts.wallets import Change
from gateway.service.accounts import messages
from gateway.service.accounts.caller import Asked
from gateway.wire.pb import accounts_pb2


async def create_user(asked: Asked) -> accounts_pb2.User:
    """Whatever `accounts.registration` says."""
    request = asked.request
    new = NewUser(request.email, request.password, request.username, request.role or "user", request.group or "default")
    row = await asked.accounts.users.create(new, asked.who)
    return messages.user(row, await asked.accounts.wallets.get(row["id"]))


async def list_users(asked: Asked) -> accounts_pb2.ListUsersReply:
    """By email."""
    request = asked.request
    page = await asked.accounts.users.list(request.page_size, request.page_token, request.contains)
    users = [messages.user(row) for row in page.items]
    return accounts_pb2.ListUsersReply(users=users, next_page_token=page.next_token)


async def get_user(asked: Asked) -> accounts_pb2.User:
    """One user and their wallet."""
    row = await asked.accounts.users.get(asked.request.id)
    return messages.user(row, await asked.accounts.wallets.get(row["id"]))


async def update_user(asked: Asked) -> accounts_pb2.User:
    """Change what is named."""
    changes = messages.user_changes(asked.request)
    return messages.user(await asked.accounts.users.update(asked.request.id, changes, asked.who))


async def change_wallet(asked: Asked) -> accounts_pb2.Wallet:
    """A top-up or an adjustment, once."""
    request = asked.request
    amount = request.amount_usd_micros
    if request.kind not in ("top_up", "adjust"):
        raise wrong("kind", "must be top_up or adjust")
    usd_micros(amount if request.kind == "top_up" else abs(amount), "amount_usd_micros")
    change = Change(request.kind, amount, request.idempotency_key, request.note)
    return messages.wallet_message(await asked.accounts.wallets.change(request.user_id, change, asked.who))


async def set_member(asked: Asked) -> accounts_pb2.SetMemberReply:
    """A further group for a user's keys, or not any more."""
    request = asked.request
    await asked.accounts.groups.set_member(request.user_id, request.group, is_member=request.is_member, who=asked.who)
    return accounts_pb2.SetMemberReply()


async def list_groups(asked: Asked) -> accounts_pb2.ListGroupsReply:
    """By id."""
    page = await asked.accounts.groups.list(asked.request.page_size, asked.request.page_token)
    groups = [messages.group(row) for row in page.items]
    return accounts_pb2.ListGroupsReply(groups=groups, next_page_token=page.next_token)


async def put_group(asked: Asked) -> accounts_pb2.Group:
    """Make it, or change what is named."""
    changes = messages.group_changes(asked.request)
    return messages.group(await asked.accounts.groups.put(asked.request.id, changes, asked.who))


async def delete_group(asked: Asked) -> accounts_pb2.DeleteGroupReply:
    """One that nobody is in."""
    await asked.accounts.groups.delete(asked.request.id, asked.who)
    return accounts_pb2.DeleteGroupReply()


async def create_codes(asked: Asked) -> accounts_pb2.CreateCodesReply:
    """Codes that fill wallets, shown once."""
    request = asked.request
    expires_at_ms = request.expires_at_ms if request.HasField("expires_at_ms") else None
    made = await asked.accounts.codes.create(
        request.count, request.name, request.amount_usd_micros, expires_at_ms, asked.who
    )
    return _codes(made)


async def create_invitations(asked: Asked) -> accounts_pb2.CreateCodesReply:
    """Invitations, shown once."""
    request = asked.request
    expires_at_ms = request.expires_at_ms if request.HasField("expires_at_ms") else None
    made = await asked.accounts.codes.invite(request.count, request.group or "default", expires_at_ms, asked.who)
    return _codes(made)


def _codes(made: object) -> accounts_pb2.CreateCodesReply:
    codes = [accounts_pb2.MadeCode(id=code_id, code=code) for code_id, code in made]  # type: ignore[attr-defined]  # pairs
    return accounts_pb2.CreateCodesReply(codes=codes)


async def list_codes(asked: Asked) -> accounts_pb2.ListCodesReply:
    """Without the codes themselves."""
    page = await asked.accounts.codes.list(asked.request.page_size, asked.request.page_token)
    codes = [messages.code(row) for row in page.items]
    return accounts_pb2.ListCodesReply(codes=codes, next_page_token=page.next_token)


async def block_code(asked: Asked) -> accounts_pb2.BlockCodeReply:
    """Worth nothing from now on."""
    await asked.accounts.codes.block(asked.request.id, asked.who)
    return accounts_pb2.BlockCodeReply()


async def list_audit(asked: Asked) -> accounts_pb2.ListAuditReply:
    """Who changed what."""
    request = asked.request
    page = await asked.accounts.reports.audit(request.subject, request.page_size, request.page_token)
    entries = [messages.audit_entry(row) for row in page.items]
    return accounts_pb2.ListAuditReply(entries=entries, next_page_token=page.next_token)


ADMIN = {
    "CreateUser": create_user, "ListUsers": list_users, "GetUser": get_user, "UpdateUser": update_user,
    "ChangeWallet": change_wallet, "SetMember": set_member, "ListGroups": list_groups, "PutGroup": put_group,
    "DeleteGroup": delete_group, "CreateCodes": create_codes, "ListCodes": list_codes, "BlockCode": block_code,
    "CreateInvitations": create_invitations, "ListAudit": list_audit,
}  # fmt: skip
