"""The keeper behind a Unix socket.

Frames of MessagePack, each behind its length (4 bytes, big-endian, at most 16 MB). A connection
begins with a greeting that names a role and shows that role's token; then calls go one way and
replies the other, matched by number, so that a slow call holds up no other. The server also looks
at the operating-system user at the other end. Errors of `kernel.errors` arrive as themselves;
anything else arrives as Unavailable and says nothing.
"""

from bailee.drivers.keeper_socket.client import KeeperClient
from bailee.drivers.keeper_socket.server import KeeperServer, listen, token_hash

__all__ = ["KeeperClient", "KeeperServer", "listen", "token_hash"]
