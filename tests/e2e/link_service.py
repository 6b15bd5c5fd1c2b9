"""A service process with the toy dispatch, to be killed: python link_service.py ADDRESS."""

from __future__ import annotations

import asyncio
import sys

from gateway.rpc.link_server import LinkServer, serve
from tests.e2e.link_toy import Toy, for_ever, never


async def main(address: str) -> None:
    server, _ = await serve(LinkServer(Toy(never=never, for_ever=for_ever)), address)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
