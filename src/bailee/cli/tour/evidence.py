"""Checking from outside: receipts by the single-file verifier, the log file by file, over HTTPS.

Nothing here trusts the installation: the verifier is loaded from its one file, the log's entries
are hashed anew and compared with the signed checkpoint. Only names of bucket and keyring are an
operator's, and come from `inside`.
"""

import asyncio
import importlib.util
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import httpx2

from bailee.cli.tour.inside import Inside
from bailee.cli.tour.tenants import Exchange, Tenant
from bailee.kernel.errors import NotFound, Unavailable
from bailee.kernel.ids import EpochKeyName, RecordId
from bailee.kernel.instants import Instant, from_rfc3339
from bailee.lifecycle.census import Discrepancy, discrepancies
from bailee.lifecycle.log_reader import LogReader
from bailee.ports.objects import StoredObject
from bailee.transparency.tree import leaf_hash, root_of

Verify = Callable[..., list[str]]
_AT_ONCE: Final = 6
_FILE: Final = "bailee_verify.py"


def load_verifier() -> Verify:
    """`verify` of the single-file verifier: the one of the wheel, else the one of the checkout."""
    here = Path(__file__)
    places = (here.with_name(_FILE), here.parents[4] / "verifier" / _FILE)
    for place in places:
        if place.is_file():
            spec = importlib.util.spec_from_file_location("bailee_verify", place)
            if spec is not None and spec.loader is not None:
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                found: Verify = module.verify
                return found
    raise NotFound(f"the verifier is in none of {', '.join(map(str, places))}; install Bailee anew")


class _LogOverHttps:
    """As much of an object store as a reader of the log needs."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def get(self, key: str) -> StoredObject:
        """One of the log's files."""
        response = await self._client.get(f"/{key}")
        if response.status_code == httpx2.codes.NOT_FOUND:
            raise NotFound(f"{key} is not there")
        if response.status_code != httpx2.codes.OK:
            raise Unavailable(f"{key} could not be read ({response.status_code})")
        return StoredObject(response.content, "")


class Evidence:
    """What an outsider, and the owners of records, can ask for and check."""

    def __init__(self, client: httpx2.AsyncClient, inside: Inside) -> None:
        self._client = client
        self._inside = inside
        self._verify = load_verifier()
        self._log_key = inside.trust.log_key
        self._keeper_key = inside.trust.identity
        self._limit = asyncio.Semaphore(_AT_ONCE)
        self.verified = 0
        self.unusable_at: dict[str, Instant] = {}
        """Of each destruction whose receipt was verified, by subject."""
        self.late: list[str] = []
        """Destructions whose verified receipt admits lateness."""
        self.refusals: list[str] = []
        """Why receipts were not verified."""

    async def owner_reads(self, tenant: Tenant, record: RecordId) -> int:
        """The status that an owner gets who asks for a record; 0: no answer."""
        async with self._limit:
            try:
                response = await self._client.get(
                    f"/bailee/v1/records/{record}", headers=_bearer(tenant)
                )
            except httpx2.HTTPError:
                return 0
        return response.status_code

    async def opened(self, tenant: Tenant, exchange: Exchange) -> bool:
        """Whether a record opens for its owner, as exactly what went over the wire."""
        response = await self._client.get(
            f"/bailee/v1/records/{exchange.record}", headers=_bearer(tenant)
        )
        if response.status_code != httpx2.codes.OK:
            return False
        said = response.json()
        same = (said["request"].encode(), said["answer"].encode())
        return same == (exchange.request, exchange.answer)

    async def check_response_receipts(
        self, tenants: list[Tenant], exchanges: Iterable[Exchange], checked: Callable[[], None]
    ) -> None:
        """Fetch and verify the receipt of each exchange, against its own bytes."""

        async def check(exchange: Exchange) -> None:
            about = (exchange.receipt_key, exchange.request, exchange.answer)
            path = f"/bailee/v1/receipts/{exchange.record}"
            await self._check(path, str(exchange.record), _bearer(tenants[exchange.tenant]), about)
            checked()

        await asyncio.gather(*map(check, exchanges))

    async def check_destruction_receipts(
        self, names: Iterable[EpochKeyName], checked: Callable[[], None]
    ) -> None:
        """Fetch and verify the published receipt of each destruction."""

        async def check(name: EpochKeyName) -> None:
            await self._check(f"/log/receipts/{name.subject}.json", name.subject, {}, ())
            checked()

        await asyncio.gather(*map(check, names))

    async def census(self, now: Instant) -> list[Discrepancy]:
        """Recompute the census: the log over HTTPS against bucket and keyring names."""
        log = LogReader(_LogOverHttps(self._client), self._inside.trust.verifier)  # type: ignore[arg-type]
        names = await self._inside.keyring_names()
        bucket = await self._inside.bucket_names()
        checkpoint = (await log.checkpoint()).checkpoint
        leaves = await log.entries(0, checkpoint.size)
        if root_of(map(leaf_hash, leaves)) != checkpoint.root:
            return [Discrepancy("the log's entries do not give its checkpoint's root", "log")]
        return discrepancies(leaves, bucket, names, now)

    async def _check(
        self, path: str, subject: str, headers: dict[str, str], about: tuple[bytes, ...]
    ) -> None:
        try:
            async with self._limit:
                response = await self._client.get(path, headers=headers)
            if response.status_code != httpx2.codes.OK:
                self.refusals.append(f"{subject}: no receipt ({response.status_code})")
                return
            document: dict[str, Any] = json.loads(response.content)
            said = document.get("record") or document["statement"]["subject"]
            self._verify(document, self._log_key, self._keeper_key, about)
        except httpx2.HTTPError as error:
            self.refusals.append(f"{subject}: no receipt ({type(error).__name__})")
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
            self.refusals.append(f"{subject}: {error}")
        else:
            if said != subject:
                self.refusals.append(f"{subject}: the receipt is about {said}")
                return
            self.verified += 1
            statement = document.get("statement")
            if statement is not None:
                self.unusable_at[subject] = from_rfc3339(statement["unusable_at"])
                if statement["lateness_ms"]:
                    self.late.append(subject)


def _bearer(tenant: Tenant) -> dict[str, str]:
    return {"authorization": f"Bearer {tenant.key}"}
