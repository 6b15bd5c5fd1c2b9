"""What a user does with their own account: sessions, keys, wallet, usage.

Rules:
    - One function per method of the contract, by its name in snake case.
Not here:
    - What only administrators do (admin); who may ask (caller).
"""

from __future__ import annotations

from typing import Any

from gateway.accounts.book import Accounts
from gateway.accounts.shared import Actor
from gateway.accounts.users import NewUser
from gateway.core.errors import GatewayError, Kind
from gateway.service.accounts import messages
from gateway.service.accounts.caller import Asked
from gateway.wire.pb import accounts_pb2


async def register(accounts: Accounts, request: Any, who: Actor, _credential: str) -> accounts_pb2.Session:
    """Anybody may ask; the configuration decides."""
    new = NewUser(request.email, request.password, request.username)
    user = await accounts.users.register(new, request.invitation, who)
    return messages.session(await accounts.sessions.begin(user, who))


async def log_in(accounts: Accounts, request: Any, who: Actor, _credential: str) -> accounts_pb2.Session:
    """An email and a password for tokens."""
    user = await accounts.users.log_in(request.email, request.password, who)
    return messages.session(await accounts.sessions.begin(user, who))


async def refresh_session(accounts: Accounts, request: Any, who: Actor, _credential: str) -> accounts_pb2.Session:
    """A refresh token for the next pair."""
    return messages.session(await accounts.sessions.refresh(request.refresh_token, who))


async def log_out(accounts: Accounts, _request: Any, who: Actor, credential: str) -> accounts_pb2.LogOutReply:
    """The session of the presented token ends."""
    await accounts.sessions.end_session(credential, who)
    return accounts_pb2.LogOutReply()


async def change_password(asked: Asked) -> accounts_pb2.ChangePasswordReply:
    """By a session, which ends with all others."""
    if not asked.identity.is_session:
        raise GatewayError(Kind.INVALID_KEY, "Log in first, and use the token.", code="session_required")
    old, new = asked.request.old_password, asked.request.new_password
    await asked.accounts.users.change_password(asked.identity.user_id, old, new, asked.who)
    return accounts_pb2.ChangePasswordReply()


async def get_me(asked: Asked) -> accounts_pb2.User:
    """The user behind the credential; of a key of the configuration, its name and role."""
    identity = asked.identity
    if not identity.user_id:
        role = "admin" if identity.is_admin else "user"
        return accounts_pb2.User(id=f"key:{identity.key_id}", username=identity.name, role=role)
    user = await asked.accounts.users.get(identity.user_id)
    return messages.user(user, await asked.accounts.wallets.get(identity.user_id))


async def create_key(asked: Asked) -> accounts_pb2.ApiKey:
    """A new key, shown once."""
    asked.manage()
    user_id = asked.user_id(asked.request.user_id)
    wanted = messages.new_key(asked.request)
    prefix, limits = asked.key_form(asked.request.profile)
    wanted["limits"] = {**limits, **wanted["limits"]}
    row, whole = await asked.accounts.keys.create(user_id, prefix, wanted, asked.who)
    return messages.api_key(row, whole)


async def list_keys(asked: Asked) -> accounts_pb2.ListKeysReply:
    """Own keys; of administrators without a user, everybody's."""
    asked.manage()
    request = asked.request
    is_all = not request.user_id and not asked.identity.user_id
    user_id = None if is_all else asked.user_id(request.user_id)
    page = await asked.accounts.keys.list(user_id, request.page_size, request.page_token)
    keys = [messages.api_key(row) for row in page.items]
    return accounts_pb2.ListKeysReply(keys=keys, next_page_token=page.next_token)


async def get_key(asked: Asked) -> accounts_pb2.ApiKey:
    """One key's record."""
    return messages.api_key(await asked.accounts.keys.get(asked.reach(), asked.request.id))


async def update_key(asked: Asked) -> accounts_pb2.ApiKey:
    """Change what is named."""
    changes = messages.key_changes(asked.request)
    return messages.api_key(await asked.accounts.keys.update(asked.reach(), asked.request.id, changes, asked.who))


async def rotate_key(asked: Asked) -> accounts_pb2.ApiKey:
    """A new secret, shown once."""
    request = asked.request
    overlap_s = request.overlap_s if request.HasField("overlap_s") else None
    row, whole = await asked.accounts.keys.rotate(asked.reach(), request.id, overlap_s, asked.who)
    return messages.api_key(row, whole)


async def revoke_key(asked: Asked) -> accounts_pb2.ApiKey:
    """For ever."""
    return messages.api_key(await asked.accounts.keys.revoke(asked.reach(), asked.request.id, asked.who))


async def get_wallet(asked: Asked) -> accounts_pb2.Wallet:
    """The balance."""
    return messages.wallet_message(await asked.accounts.wallets.get(asked.user_id(asked.request.user_id)))


async def list_ledger(asked: Asked) -> accounts_pb2.ListLedgerReply:
    """Every change of the balance."""
    request = asked.request
    user_id = asked.user_id(request.user_id)
    page = await asked.accounts.wallets.ledger(user_id, request.page_size, request.page_token)
    entries = [messages.ledger_entry(row) for row in page.items]
    return accounts_pb2.ListLedgerReply(entries=entries, next_page_token=page.next_token)


async def redeem(asked: Asked) -> accounts_pb2.Wallet:
    """A code for money; a session does it, so that a leaked key cannot."""
    asked.manage()
    wallet = await asked.accounts.codes.redeem(asked.user_id(), asked.request.code, asked.who)
    return messages.wallet_message(wallet)


async def get_usage(asked: Asked) -> accounts_pb2.GetUsageReply:
    """Sums over the calls of a user, or of everybody."""
    request = asked.request
    if request.is_of_everybody:
        asked.administer()
    user_id = None if request.is_of_everybody else asked.user_id(request.user_id)
    from_ms = request.from_ms if request.HasField("from_ms") else None
    until_ms = request.until_ms if request.HasField("until_ms") else None
    rows = await asked.accounts.reports.usage(request.by or "model", user_id, from_ms, until_ms)
    return accounts_pb2.GetUsageReply(sums=[accounts_pb2.UsageSum(**row) for row in rows])


OPEN_TO_ALL = {"Register": register, "LogIn": log_in, "RefreshSession": refresh_session, "LogOut": log_out}
OWN = {
    "ChangePassword": change_password, "GetMe": get_me, "CreateKey": create_key, "ListKeys": list_keys,
    "GetKey": get_key, "UpdateKey": update_key, "RotateKey": rotate_key, "RevokeKey": revoke_key,
    "GetWallet": get_wallet, "ListLedger": list_ledger, "Redeem": redeem, "GetUsage": get_usage,
}  # fmt: skip
