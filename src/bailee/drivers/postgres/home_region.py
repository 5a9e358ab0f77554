"""Marks a database with its region, once; afterwards it takes rows of that region alone."""

from sqlalchemy import URL, text

from bailee.drivers.postgres.engine import owner_engine
from bailee.drivers.postgres.failures import kinds
from bailee.kernel.errors import Conflict
from bailee.kernel.ids import Region


async def mark_database(url: str | URL, region: Region) -> Region:
    """Say that the database is `region`'s, unless it is another's; gives whose it is.

    Acts as the owner of the tables, which have this code's schema.

    Raises:
        Conflict: it has no mark yet, and projects of another region.
        Unavailable: the database is away.
    """
    engine = owner_engine(url)
    try:
        with kinds():
            async with engine.begin() as connection:
                others = await connection.scalar(
                    text("SELECT count(*) FROM projects WHERE region <> :region"),
                    {"region": region},
                )
                found = await connection.scalar(text("SELECT region FROM home_region"))
                if found is None and others:
                    raise Conflict(
                        f"the database holds projects of another region than `{region}`; set the "
                        "region that this installation had"
                    )
                if found is None:
                    await connection.execute(
                        text("INSERT INTO home_region (region) VALUES (:region)"),
                        {"region": region},
                    )
                return Region(found or region)
    finally:
        await engine.dispose()
