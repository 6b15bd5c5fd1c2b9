"""PostgreSQL gone, hung and back under a running gateway: who was in stays in, nobody is told a lie, nothing is stuck.

Rules: a real server behind a proxy of our own, which is what fails; every call is a real one over HTTP.
Not here: the same decisions without sockets (tests/unit/accounts/test_api_keys).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from gateway.accounts.shared import SYSTEM
from gateway.accounts.users import NewUser
from tests.support.databases import url_of
from tests.support.postgres import own_postgres
from tests.support.raw import Answer, ask
from tests.support.single import InProcess, single
from tests.support.waiting import PATIENCE_S

LAYER = {"accounts": {"key_cache_s": 0.05, "wrong_keys_per_minute": 10_000}}
DATABASE_S = 0.5  # that a database is given while it hangs
RECOVERY_S = PATIENCE_S


class Proxy:
    """A TCP port in front of PostgreSQL's unix socket. `is_hung` stops every byte; `stop` drops all connections."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0

    async def start(self) -> None:
        """Listen, on the same port again after a stop."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """As a server that was killed: refuses, and what was open is reset."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    def hang(self) -> None:
        """Take connections and bytes, and answer nothing."""
        self._flows.clear()

    def go_on(self) -> None:
        """Whatever waited flows."""
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream = await asyncio.open_unix_connection(str(self._socket))
        self._writers |= {writer, upstream}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, upstream))
                both.create_task(self._pump(upstream_reader, writer))
        except* OSError:
            pass
        finally:
            self._writers -= {writer, upstream}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._flows.wait()
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[tuple[InProcess, Proxy, str, str]]:
    """A gateway whose database is behind a proxy, and two keys of one user: one that was used, one that was not."""
    url = urlsplit(url_of("postgres", folder))
    proxy = Proxy(Path(parse_qs(url.query)["host"][0]) / ".s.PGSQL.5432")
    await proxy.start()
    place = f"postgresql://postgres:@127.0.0.1:{proxy.port}{url.path}"
    try:
        async with single(LAYER, environ={"GATEWAY_DATABASE__URL": place}) as gateway:
            known, unknown = await two_keys(gateway)
            (await models(gateway, known)).ok()
            yield gateway, proxy, known, unknown
    finally:
        proxy.go_on()
        await proxy.stop()


async def two_keys(gateway: InProcess) -> list[str]:
    """Of one user."""
    book = gateway.half.kit.accounts
    assert book is not None
    user = await book.users.create(NewUser("ana@example.org", "correct horse battery"), SYSTEM)
    return [(await book.keys.create(user["id"], "gw-", {"name": name}, SYSTEM))[1] for name in ("in", "out")]


async def models(gateway: InProcess, key: str) -> Answer:
    """One call that needs nothing but a key."""
    return await ask(f"{gateway.url}/v1/models", None, key)


async def recovered(gateway: InProcess, key: str, status: int = 200) -> Answer:
    """The first answer of that status within RECOVERY_S; on the way there nothing but 503."""
    answer = await models(gateway, key)
    async with asyncio.timeout(RECOVERY_S):
        while answer.status != status:
            assert answer.status == 503, answer.text
            await asyncio.sleep(0.1)
            answer = await models(gateway, key)
    return answer


async def test_a_database_that_is_gone(tmp_path: Path) -> None:
    """Known keys work, also those of the configuration; unknown ones are 503, with a time to come back."""
    async with scene(tmp_path) as (gateway, proxy, known, unknown):
        await proxy.stop()
        await asyncio.sleep(0.1)
        for _ in range(3):
            for key in (known, gateway.key):
                (await models(gateway, key)).ok()
            refused = await models(gateway, unknown)
            refused.error(503, "store_unavailable")
            assert int(refused.headers["retry-after"]) >= 1
            (await models(gateway, "gw-nonsense")).error(401, "invalid_api_key")
        await proxy.start()
        await recovered(gateway, unknown)
        (await models(gateway, known)).ok()


async def test_a_database_that_hangs(tmp_path: Path) -> None:
    """Nobody waits longer than its timeout; a hundred callers at once are all served, and it recovers by itself."""
    async with scene(tmp_path) as (gateway, proxy, known, unknown):
        assert gateway.half.kit.accounts is not None
        database = gateway.half.kit.accounts.database
        patience_s, database.timeout_s = database.timeout_s, DATABASE_S
        proxy.hang()
        await asyncio.sleep(0.1)
        async with asyncio.timeout(PATIENCE_S):
            answers = await asyncio.gather(*(models(gateway, key) for _ in range(50) for key in (known, unknown)))
        assert [answer.status for answer in answers[::2]] == [200] * 50
        assert {answer.status for answer in answers[1::2]} == {503}
        database.timeout_s = patience_s
        proxy.go_on()
        await recovered(gateway, unknown)
        assert not gateway.half.kit.accounts.directory._questions


async def test_an_unknown_key_waits_for_a_time_of_its_own() -> None:
    """A server that is stopped: 503 long before a transaction's timeout, then at once; in use again when it goes on."""
    with own_postgres() as postgres:
        layer = {"database": {"timeout_s": 60}, "accounts": {"key_cache_s": 0.05, "key_lookup_timeout_s": 1.0}}
        async with single(layer, environ={"GATEWAY_DATABASE__URL": postgres.new_url()}) as gateway:
            known, unknown = await two_keys(gateway)
            await recovered(gateway, known)
            postgres.hang()
            try:
                async with asyncio.timeout(PATIENCE_S):  # of what should take a second
                    for _ in range(3):
                        (await models(gateway, unknown)).error(503, "store_unavailable")
                        (await models(gateway, known)).ok()
            finally:
                postgres.wake()
            await recovered(gateway, unknown)


async def test_a_gateway_that_starts_without_its_database(tmp_path: Path) -> None:
    """Keys of the configuration work at once; accounts as soon as it is there."""
    url = urlsplit(url_of("postgres", tmp_path))
    proxy = Proxy(Path(parse_qs(url.query)["host"][0]) / ".s.PGSQL.5432")
    await proxy.start()
    await proxy.stop()
    place = f"postgresql://postgres:@127.0.0.1:{proxy.port}{url.path}"
    async with single(LAYER, environ={"GATEWAY_DATABASE__URL": place}) as gateway:
        (await models(gateway, gateway.key)).ok()
        (await models(gateway, "gw-" + "a" * 48)).error(503, "store_unavailable")
        (await ask(f"{gateway.url}/admin/users", None, gateway.key)).error(503, "store_unavailable")
        await proxy.start()
        await recovered(gateway, "gw-" + "a" * 48, 401)
        (await ask(f"{gateway.url}/admin/users", None, gateway.key)).ok()
    await proxy.stop()
