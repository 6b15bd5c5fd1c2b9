"""Who calls: a key of the configuration first, and of the database only what the configuration does not know.

Rules:
    - A key of the configuration needs no database, and waits for nothing.
Not here:
    - Checking a key (accounts.keys) and asking for one (accounts.directory); what the caller may do (admit).
"""

from __future__ import annotations

from gateway.accounts.addresses import check_address
from gateway.accounts.keys import Identity, refused
from gateway.pipeline.kit import Kit, Runtime
from gateway.rpc.contract import CallContext


async def identify(kit: Kit, runtime: Runtime, context: CallContext) -> Identity:
    """Whose call it is.

    Raises GatewayError MISSING_KEY, INVALID_KEY, PERMISSION_DENIED (address, blocked account), INSUFFICIENT_BALANCE,
    RATE_LIMITED, and UNAVAILABLE when nobody can tell.
    """
    found = runtime.keyring.look(context.credential, kit.clock.wall_s())
    if isinstance(found, str):
        if kit.accounts is None:
            raise refused("unknown id or wrong secret")
        return await kit.accounts.directory.identify(context.credential, found, context.peer)
    if found.allowed_ips:
        check_address(context.peer, found.allowed_ips)
    return found
