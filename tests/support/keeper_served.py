"""A keeper behind its socket, with a client for each role."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.support.keeper_world import World

from bailee.custody.keeper.roles import ROLES, Role
from bailee.drivers.keeper_socket import KeeperClient, KeeperServer, listen, token_hash
from bailee.drivers.system import SystemClock
from bailee.ports.keeper import KeeperAdministration

KeeperFor = Callable[[Role], KeeperAdministration]


@asynccontextmanager
async def served(world: World, path: Path) -> AsyncIterator[KeeperFor]:
    """The world's keeper behind a socket; each role has its client."""
    tokens: dict[Role, bytes] = {role: role.encode().ljust(32, b"-") for role in ROLES}
    roles: dict[str, Role] = {role: role for role in ROLES}
    server = KeeperServer(
        lambda role: world.keeper.for_role(roles[role]),
        {role: token_hash(token) for role, token in tokens.items()},
    )
    await server.start(listen(path))
    clients = {role: KeeperClient(path, role, tokens[role], SystemClock()) for role in ROLES}
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        for client in clients.values():
            stack.push_async_callback(client.close)
        yield lambda role: clients[role]
