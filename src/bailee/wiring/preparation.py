"""What must be there before the processes start: secrets, pinned keys, the database's schema."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bailee.drivers.postgres.engine import open_engine
from bailee.drivers.postgres.ledger import PostgresLedger
from bailee.drivers.system import SystemRandomness
from bailee.policy.load import packaged_policy
from bailee.policy.show import digest
from bailee.ports.ledger import ReceiptRow
from bailee.schema.roles import CLERK
from bailee.settings import Settings
from bailee.transparency import entry
from bailee.transparency.note import Signer
from bailee.wiring.database import KeptDatabase, database_url, migrated
from bailee.wiring.places import Places
from bailee.wiring.processes import open_clock
from bailee.wiring.residency import check_region
from bailee.wiring.seal import ensure_seal, read_seal
from bailee.wiring.secrets import (
    DOCUMENT_SEAL,
    LOG_KEY,
    PEPPER,
    ROLES,
    WEBHOOK_KEY,
    make_secrets,
    read_secret,
    token_name,
)
from bailee.wiring.trust import Trust, read_trust, write_trust


@dataclass(slots=True)
class Preparation:
    """See `cli.administration.Prepared`."""

    secrets: Mapping[str, Mapping[str, bytes]]
    database_url_file: Path | None = None
    _database: KeptDatabase | None = field(default=None, repr=False)

    def close(self) -> None:
        """Stop the embedded database, last of all."""
        if self._database is not None:
            self._database.stop()


def prepare(settings: Settings, tell: Callable[[str], None]) -> Preparation:
    """See `cli.administration.Wiring`. Every step may be repeated after a crash."""
    places = Places(settings.data_folder.absolute())
    randomness = SystemRandomness()
    make_secrets(places.secrets, randomness)
    if not places.trust.exists():
        write_trust(places, _first_trust(settings, places))
        tell("made the keys of the transparency log")
    trust = read_trust(places)
    if trust.region is None:
        trust = msgspec.structs.replace(trust, region=settings.region)
        write_trust(places, trust)
    if ensure_seal(settings, places, trust.origin, open_clock(places).now()):
        tell("made the certificate that seals signed documents")
    database = None
    if not settings.database.url.reveal():
        database = KeptDatabase(places)
        database.start(tell)
    try:
        if asyncio.run(migrated(settings, places)):
            tell("brought the database's schema up to date")
        asyncio.run(check_region(settings, places, trust))
        asyncio.run(_publish_policy(settings, places))
    except BaseException:
        if database is not None:
            database.stop()
        raise
    return Preparation(_handed(settings, places), None, database)


def _first_trust(settings: Settings, places: Places) -> Trust:
    randomness = SystemRandomness()
    origin = settings.transparency.origin or f"bailee.local/{randomness.random_bytes(8).hex()}"
    signer = Signer(origin, read_secret(places.secrets, LOG_KEY, {}))
    return Trust(
        origin=origin,
        log_key=signer.verifier.text,
        region=settings.region,
        node=f"node-{randomness.random_bytes(4).hex()}",
        simulated=places.simulated_clock.exists(),
    )


def _handed(settings: Settings, places: Places) -> dict[str, dict[str, bytes]]:
    """What each process is given, and no more."""

    def read(*names: str) -> dict[str, bytes]:
        return {name: bytes(read_secret(places.secrets, name, {})) for name in names}

    return {
        "keeper": read(*(token_name(role) for role in ROLES)),
        "clerk": {
            **read(token_name("clerk"), LOG_KEY),
            DOCUMENT_SEAL: bytes(read_seal(settings, places, {})),
        },
        "worker": read(token_name("worker"), WEBHOOK_KEY),
        "gateway": read(token_name("gateway"), PEPPER, WEBHOOK_KEY),
    }


async def _publish_policy(settings: Settings, places: Places) -> None:
    """Log every packaged policy version that the log does not have, once."""
    engine = open_engine(database_url(settings, places, CLERK), CLERK)
    try:
        now = open_clock(places).now()
        async with PostgresLedger(engine).transaction() as transaction:
            services = packaged_policy().services.values()
            for version in (version for policy in services for version in policy.versions):
                name = f"policy/{version.id}/{digest(version).hex()[:16]}"
                if await transaction.receipt(name) is None:
                    leaf = entry.policy_published(
                        now, version.id, digest=digest(version), effective=version.effective
                    )
                    await transaction.append_entry(leaf)
                    await transaction.put_receipt(ReceiptRow(name, leaf, b"{}"))
    finally:
        await engine.dispose()
