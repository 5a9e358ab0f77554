"""Commands on endpoints, each one transaction with its audit event.

Commands send nothing: they add deliveries, which the worker carries out (`delivery`). Where an
endpoint lies is looked at here as far as its address tells, and again at every connection.
"""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from bailee.governance.webhooks import errors, events, repository
from bailee.governance.webhooks.catalogue import event_types
from bailee.governance.webhooks.model import (
    EVERYTHING,
    OVERLAP_MAX_MS,
    OVERLAP_MS,
    Delivery,
    Disabled,
    Endpoint,
)
from bailee.governance.webhooks.signing import secret_of, secret_text
from bailee.kernel.addresses import is_loopback, is_numeric, is_public
from bailee.kernel.errors import Conflict, InvalidInput
from bailee.kernel.ids import TenantId
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Secret
from bailee.policy.access.matrix import require
from bailee.policy.access.model import Actor
from bailee.ports.audit import Audit
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.randomness import Randomness

ENDPOINTS_MAX: Final = 20
AGAIN_MAX: Final = 10_000
_ID_BYTES: Final = 16
_URL_MAX: Final = 2000
_DESCRIPTION_MAX: Final = 200


class Webhooks:
    """Endpoints of organisations, in the role `administrator`.

    `key` is what their secrets follow from. `allow_private` lets endpoints lie on private and
    loopback addresses.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        randomness: Randomness,
        audit: Audit,
        actor: Actor,
        *,
        key: Secret,
        allow_private: bool,
    ) -> None:
        self._database = database
        self._clock = clock
        self._randomness = randomness
        self._audit = audit
        self._actor = actor
        self._key = key
        self._allow_private = allow_private

    async def create(
        self, tenant: TenantId, url: str, types: Collection[str], description: str = ""
    ) -> tuple[Endpoint, Secret]:
        """Register an endpoint; gives its secret (`whsec_…`), this once.

        Raises:
            Forbidden: the actor may not.
            InvalidInput: an address, types or a description that cannot be.
            Conflict: the organisation has as many as it may have.
        """
        self._require("webhook.administer", tenant)
        row = Endpoint(
            endpoint=self._randomness.random_bytes(_ID_BYTES),
            tenant=tenant,
            url=self._checked_url(url),
            types=_checked_types(types),
            description=_checked_description(description),
            created_at=self._clock.now(),
        )
        async with self._database.transaction(tenant) as transaction:
            await repository.lock(transaction, tenant)
            if len(await repository.endpoints(transaction)) >= ENDPOINTS_MAX:
                raise Conflict(f"An organisation has at most {ENDPOINTS_MAX} webhooks. Delete one.")
            # The event first: an endpoint is not told that it was made.
            await self._audit.write(transaction, events.event("created", row))
            await repository.put(transaction, row)
        return row, self._secret(row)

    async def all(self, tenant: TenantId) -> list[Endpoint]:
        """An organisation's endpoints, oldest first. Raises Forbidden."""
        self._require("webhook.read", tenant)
        async with self._database.transaction(tenant) as transaction:
            return await repository.endpoints(transaction)

    async def one(self, tenant: TenantId, endpoint: bytes) -> Endpoint:
        """One of them. Raises Forbidden, NotFound."""
        self._require("webhook.read", tenant)
        async with self._database.transaction(tenant) as transaction:
            return await _one(transaction, endpoint)

    async def update(
        self,
        tenant: TenantId,
        endpoint: bytes,
        *,
        url: str | None = None,
        types: Collection[str] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> Endpoint:
        """Change what is given. What happens while it is disabled is not sent to it.

        Raises Forbidden, NotFound, InvalidInput.
        """
        self._require("webhook.administer", tenant)
        now = self._clock.now()
        async with self._database.transaction(tenant) as transaction:
            await repository.lock(transaction, tenant)
            row = await _one(transaction, endpoint)
            if url is not None:
                row = row._replace(url=self._checked_url(url), failing_since=None)
            if types is not None:
                row = row._replace(types=_checked_types(types))
            if description is not None:
                row = row._replace(description=_checked_description(description))
            if enabled is True:
                row = row._replace(disabled=None, disabled_at=None, failing_since=None)
            elif enabled is False and row.disabled is None:
                row = row._replace(disabled=Disabled.BY_HAND, disabled_at=now)
            await repository.put(transaction, row)
            changes = {
                "types": None if types is None else list(row.types),
                "enabled": enabled,
                "url": None if url is None else "changed",
            }
            requested = {name: value for name, value in changes.items() if value is not None}
            event = events.event("updated", row, changes_requested=requested)
            await self._audit.write(transaction, event)
        return row

    async def remove(self, tenant: TenantId, endpoint: bytes) -> None:
        """Delete an endpoint; what was not sent is not. Raises Forbidden, NotFound."""
        self._require("webhook.administer", tenant)
        async with self._database.transaction(tenant) as transaction:
            await repository.lock(transaction, tenant)
            row = await _one(transaction, endpoint)
            await repository.remove(transaction, endpoint)
            await self._audit.write(transaction, events.event("deleted", row))

    async def rotate(
        self, tenant: TenantId, endpoint: bytes, overlap_ms: int = OVERLAP_MS
    ) -> tuple[Endpoint, Secret]:
        """Give an endpoint a new secret, this once; the former signs too for a while.

        With an overlap of 0 the former ends at once, as after a leak.

        Raises:
            Forbidden, NotFound: as ever.
            InvalidInput: an overlap that cannot be.
            Conflict: the secret before the present one still signs, and is not to end at once.
        """
        self._require("webhook.administer", tenant)
        if not 0 <= overlap_ms <= OVERLAP_MAX_MS:
            raise InvalidInput("An overlap is from 0 to 7 days.", field="overlap_seconds")
        now = self._clock.now()
        async with self._database.transaction(tenant) as transaction:
            await repository.lock(transaction, tenant)
            row = await _one(transaction, endpoint)
            if overlap_ms and len(row.generations(now)) > 1:
                raise Conflict(
                    "The former secret still signs: a second rotation would end it. Wait, or ask"
                    " for an overlap of 0."
                )
            row = row._replace(
                generation=row.generation + 1,
                previous_until=Instant(now + overlap_ms) if overlap_ms else None,
            )
            await repository.put(transaction, row)
            await self._audit.write(transaction, events.event("secret_rotated", row))
        return row, self._secret(row)

    async def deliveries(self, tenant: TenantId, endpoint: bytes, limit: int) -> list[Delivery]:
        """Up to `limit` deliveries, the newest events first. Raises Forbidden, NotFound."""
        self._require("webhook.read", tenant)
        async with self._database.transaction(tenant) as transaction:
            await _one(transaction, endpoint)
            return await repository.deliveries(transaction, endpoint, limit)

    async def test(self, tenant: TenantId, endpoint: bytes) -> Endpoint:
        """Send a message of the type `webhook.tested`, whatever types the endpoint asks for.

        Raises Forbidden, NotFound, Conflict while it is disabled.
        """
        self._require("webhook.administer", tenant)
        async with self._database.transaction(tenant) as transaction:
            row = await self._enabled(transaction, tenant, endpoint)
            told = events.event("tested", row)
            await self._audit.write(transaction, told)
            event = await repository.last_event(transaction, told.type, told.resource)
            await repository.again(transaction, row, self._clock.now(), event=event)
        return row

    async def replay(
        self,
        tenant: TenantId,
        endpoint: bytes,
        *,
        event: bytes | None = None,
        since: Instant | None = None,
    ) -> int:
        """Send one event again, or all of the endpoint's types since an instant; how many.

        They have the identifiers that they had. One may be of any type.

        Raises:
            Forbidden, NotFound: as ever; NotFound also for an unknown event.
            InvalidInput: neither or both were given, or too many happened since then.
            Conflict: the endpoint is disabled.
        """
        self._require("webhook.administer", tenant)
        if (event is None) is (since is None):
            raise InvalidInput("Give either `event_id` or `since`.", field="event_id")
        now = self._clock.now()
        async with self._database.transaction(tenant) as transaction:
            row = await self._enabled(transaction, tenant, endpoint)
            if event is not None:
                count = await repository.again(transaction, row, now, event=event)
                if not count:
                    raise errors.no_event()
            else:
                count = await repository.again(
                    *(transaction, row, now),
                    types=row.types,
                    since=since or 0,
                    limit=AGAIN_MAX + 1,
                )
                if count > AGAIN_MAX:
                    raise InvalidInput(
                        f"More than {AGAIN_MAX} events happened since then. Give a later instant.",
                        field="since",
                    )
            await self._audit.write(transaction, events.event("replayed", row, count=count))
        return count

    def _require(self, action: str, tenant: TenantId) -> None:
        require(self._actor, action, tenant, self._clock.now())

    def _secret(self, row: Endpoint) -> Secret:
        return secret_text(secret_of(self._key, row.endpoint, row.generation))

    async def _enabled(
        self, transaction: DatabaseTransaction, tenant: TenantId, endpoint: bytes
    ) -> Endpoint:
        await repository.lock(transaction, tenant)
        row = await _one(transaction, endpoint)
        if row.disabled is not None:
            raise Conflict("The webhook is disabled. Enable it first.")
        return row

    def _checked_url(self, url: str) -> str:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise errors.wrong_address("is no address; correct it.") from None
        host = parts.hostname or ""
        if len(url) > _URL_MAX or not url.isascii() or not url.isprintable() or " " in url:
            raise errors.wrong_address(f"has at most {_URL_MAX} printable ASCII characters.")
        if parts.scheme not in ("https", "http") or not host or port == 0:
            raise errors.wrong_address("is https://host[:port][/path].")
        if parts.username or parts.password or parts.fragment:
            raise errors.wrong_address("has no user, password or fragment.")
        if parts.scheme == "http" and not (host == "localhost" or is_loopback(host)):
            raise errors.wrong_address("is https; plain http is for loopback alone.")
        if not self._allow_private and (
            host == "localhost" or (is_numeric(host) and not is_public(host))
        ):
            raise errors.wrong_address(
                "leads to a private network, which this installation does not allow"
                " (`webhooks.allow_private_addresses`)."
            )
        return url


async def _one(transaction: DatabaseTransaction, endpoint: bytes) -> Endpoint:
    for row in await repository.endpoints(transaction):
        if row.endpoint == endpoint:
            return row
    raise errors.no_endpoint()


def _checked_types(types: Collection[str]) -> tuple[str, ...]:
    known = (EVERYTHING, *event_types())
    if not types or any(one not in known for one in types):
        raise InvalidInput(
            "`event_types` are types of events, or `*` for all. `GET"
            " /bailee/v1/webhooks/event_types` lists them.",
            field="event_types",
        )
    return tuple(dict.fromkeys(types))


def _checked_description(text: str) -> str:
    if len(text) > _DESCRIPTION_MAX or not (text.isprintable() or not text):
        raise InvalidInput(
            f"`description` has at most {_DESCRIPTION_MAX} printable characters.",
            field="description",
        )
    return text
