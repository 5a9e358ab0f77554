"""A keeper keeps the promises of `ports.keeper`, called directly or over its socket."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
import uvloop
from msgspec.structs import replace
from tests.support.keeper_served import KeeperFor
from tests.support.keeper_world import (
    ABUSE,
    ADMIN_KEY,
    CREDENTIAL,
    NOW,
    PROJECT,
    REGION,
    SCOPE,
    TENANT,
    World,
    epoch_name,
    lease,
)

from bailee.custody.keeper.roles import ROLES, Role
from bailee.custody.keeper.signatures import (
    verify_certificate,
    verify_epoch_public_key,
    verify_scope_public_key,
    verify_statement,
)
from bailee.custody.unseal import open_for_owner
from bailee.drivers.keeper_socket import KeeperClient, KeeperServer, listen, token_hash
from bailee.drivers.system import SystemClock
from bailee.kernel.errors import (
    BaileeError,
    Conflict,
    DestroyedKey,
    Forbidden,
    InvalidInput,
    NotYet,
    TamperedContent,
    Unavailable,
    UnknownKey,
)
from bailee.kernel.ids import EpochKeyName, Purpose, ScopeKeyName
from bailee.kernel.instants import (
    DAY_MS,
    HOUR_MS,
    Epoch,
    Instant,
    epoch_deadline,
    epoch_due,
    epoch_of,
    epoch_start,
)
from bailee.ports.keeper import KeeperAdministration, OpeningProof, TrainingScope, WorkGrant


async def test_public_keys_are_signed_and_stable(keeper_for: KeeperFor) -> None:
    keeper = keeper_for("gateway")
    identity = (await keeper.status()).identity
    key = await keeper.epoch_public_key(epoch_name())
    assert (len(key.mlkem_key), len(key.x25519_key), len(key.pseudonym_key)) == (1184, 32, 32)
    verify_epoch_public_key(identity, key)
    assert await keeper_for("clerk").epoch_public_key(epoch_name()) == key
    scope = await keeper.scope_public_key(SCOPE)
    verify_scope_public_key(identity, scope)
    assert await keeper_for("administrator").create_scope(SCOPE) == scope
    with pytest.raises(TamperedContent):
        verify_epoch_public_key(identity, replace(key, epoch=Epoch(key.epoch + 1)))
    with pytest.raises(TamperedContent):
        verify_scope_public_key(identity, replace(scope, generation=1))


async def test_a_secret_is_durable_before_its_public_key_is_given(
    keeper_for: KeeperFor, world: World
) -> None:
    key = await keeper_for("gateway").epoch_public_key(epoch_name())
    world.disk.crash()
    await world.restart()
    assert await world.keeper.epoch_public_key(epoch_name()) == key


async def test_when_epoch_keys_are_made(keeper_for: KeeperFor) -> None:
    keeper = keeper_for("gateway")
    ahead = epoch_of(Instant(NOW + 2 * HOUR_MS))
    assert (await keeper.epoch_public_key(epoch_name()._replace(epoch=ahead))).epoch == ahead
    with pytest.raises(InvalidInput):
        await keeper.epoch_public_key(epoch_name()._replace(epoch=Epoch(ahead + 1)))
    with pytest.raises(UnknownKey):
        await keeper.epoch_public_key(epoch_name(Instant(NOW - HOUR_MS)))


async def test_unknown_and_destroyed_are_told_apart(keeper_for: KeeperFor, world: World) -> None:
    gateway = keeper_for("gateway")
    unknown = ScopeKeyName(REGION, Purpose.TRAINING, PROJECT)
    with pytest.raises(UnknownKey):
        await gateway.scope_public_key(unknown)
    with pytest.raises(UnknownKey):
        await keeper_for("administrator").destroy_scopes([SCOPE, unknown])
    assert (await gateway.scope_public_key(SCOPE)).generation == 0, "nothing was destroyed"
    await keeper_for("administrator").destroy_scopes([SCOPE])
    with pytest.raises(DestroyedKey):
        await gateway.scope_public_key(SCOPE)
    with pytest.raises(DestroyedKey):
        await keeper_for("administrator").create_scope(SCOPE)
    next_generation = SCOPE._replace(generation=1)
    assert (await keeper_for("administrator").create_scope(next_generation)).generation == 1
    await gateway.epoch_public_key(epoch_name())
    world.clock.set(epoch_deadline(epoch_name().epoch))
    with pytest.raises(DestroyedKey):
        await gateway.epoch_public_key(epoch_name())
    await keeper_for("clerk").destroy_epochs([epoch_name()])
    with pytest.raises(DestroyedKey):
        await gateway.epoch_public_key(epoch_name())


async def test_certificates_last_seven_days(keeper_for: KeeperFor) -> None:
    certificate = await keeper_for("gateway").certify_boot_key("one", REGION, b"k" * 32)
    verify_certificate((await keeper_for("gateway").status()).identity, certificate)
    assert NOW - 60_000 <= certificate.not_before < NOW
    assert certificate.not_after == NOW + 7 * DAY_MS
    with pytest.raises(InvalidInput):
        await keeper_for("gateway").certify_boot_key("one", REGION, b"short")


async def test_secrets_of_backends(keeper_for: KeeperFor, world: World) -> None:
    administrator, gateway = keeper_for("administrator"), keeper_for("gateway")
    with pytest.raises(UnknownKey):
        await gateway.reveal_secret("upstream")
    await administrator.store_secret("upstream", b"first")
    await administrator.store_secret("upstream", b"second")
    assert await gateway.reveal_secret("upstream") == b"second"
    await world.restart()
    assert await world.keeper.reveal_secret("upstream") == b"second"


async def test_destroying_what_is_due(keeper_for: KeeperFor, world: World) -> None:
    clerk = keeper_for("clerk")
    first, second = epoch_name(), epoch_name(Instant(NOW + HOUR_MS))
    for name in (first, second):
        await clerk.epoch_public_key(name)
    world.clock.set(Instant(epoch_due(first.epoch) - 1))
    with pytest.raises(Conflict):
        await clerk.destroy_epochs([first])
    world.clock.set(epoch_due(first.epoch))
    with pytest.raises(Conflict):
        await clerk.destroy_epochs([first, second])
    assert len((await clerk.status()).live_epochs) == 2
    before = (await clerk.status()).generation
    (statement,) = await clerk.destroy_epochs([first])
    status = await clerk.status()
    assert status.live_epochs == [second]
    assert status.generation == before + 1
    verify_statement(status.identity, statement)
    said = msgspec.json.decode(statement.document)
    assert said["subject"] == f"epoch/us/abuse_monitoring/{first.epoch}"
    assert said["lateness_ms"] == 0
    assert said["generation"] == status.generation
    assert said["irrecoverable_at"] is None
    assert said["assumption"]


async def test_statements_are_repeated_until_they_are_logged(
    keeper_for: KeeperFor, world: World
) -> None:
    clerk = keeper_for("clerk")
    await clerk.epoch_public_key(epoch_name())
    world.clock.set(Instant(epoch_deadline(epoch_name().epoch) + 5000))
    statements = await clerk.destroy_epochs([epoch_name()])
    said = msgspec.json.decode(statements[0].document)
    assert said["lateness_ms"] == 5000
    world.clock.advance(DAY_MS)
    assert await clerk.destroy_epochs([epoch_name(), epoch_name()]) == statements
    assert await clerk.pending_statements() == statements
    await world.restart()
    assert await world.keeper.pending_statements() == statements
    await world.keeper.statements_logged([said["subject"], "epoch/us/abuse_monitoring/1"])
    assert await world.keeper.pending_statements() == []
    assert await world.keeper.destroy_epochs([epoch_name()]) == []


async def test_an_epoch_that_never_was_cannot_be_destroyed(keeper_for: KeeperFor) -> None:
    with pytest.raises(UnknownKey):
        await keeper_for("clerk").destroy_epochs([EpochKeyName(REGION, ABUSE, Epoch(1))])


async def test_an_owner_reads_a_record(keeper_for: KeeperFor, world: World) -> None:
    record = await world.seal_record()
    for number, stored in enumerate(record.stored):

        async def prove(_: int, number: int = number) -> OpeningProof:
            return await world.prove(record.proofs[number])

        opened = await open_for_owner(keeper_for("gateway"), lease(), stored, prove)
        assert bytes(opened) == record.contents[number]
        assert repr(opened).startswith("<redacted")


async def test_errors_of_opening(keeper_for: KeeperFor, world: World) -> None:
    record = await world.seal_record()
    request = await world.request(record)
    gateway = keeper_for("gateway")
    with pytest.raises(Forbidden):
        await gateway.open_part(replace(request, credential=b"sk-bailee-no"))
    with pytest.raises(TamperedContent):
        await gateway.open_part(replace(request, header=request.header[:-1]))
    with pytest.raises(InvalidInput):
        await gateway.open_part(replace(request, ciphertext_hash=b"x" * 32))
    world.clock.set(epoch_deadline(epoch_name().epoch))
    with pytest.raises(DestroyedKey):
        await gateway.open_part(request)


async def test_each_role_may_do_its_own_and_no_more(keeper_for: KeeperFor) -> None:
    async def refused(
        role: Role, call: Callable[[KeeperAdministration], Awaitable[object]]
    ) -> bool:
        try:
            await call(keeper_for(role))
        except Forbidden as error:
            return "role" in str(error)
        except BaileeError:
            return False
        return False

    calls: dict[str, Callable[[KeeperAdministration], Awaitable[object]]] = {
        "status": lambda k: k.status(),
        "epoch_public_key": lambda k: k.epoch_public_key(epoch_name()),
        "scope_public_key": lambda k: k.scope_public_key(SCOPE),
        "certify_boot_key": lambda k: k.certify_boot_key("w", REGION, b"k" * 32),
        "create_scope": lambda k: k.create_scope(SCOPE),
        "register_credential": lambda k: k.register_credential(CREDENTIAL, TENANT, PROJECT, None),
        "register_administrator": lambda k: k.register_administrator(ADMIN_KEY, TENANT, None),
        "store_secret": lambda k: k.store_secret("x", b"y"),
        "reveal_secret": lambda k: k.reveal_secret("x"),
        "create_objects": lambda k: k.create_objects([], 0, None),
        "open_objects": lambda k: k.open_objects(CREDENTIAL, []),
        "grant_work": lambda k: k.grant_work(CREDENTIAL, [], "work", NOW),
        "open_granted": lambda k: k.open_granted(WorkGrant("", b"", [], NOW, b""), []),
        "destroy_own_objects": lambda k: k.destroy_own_objects(CREDENTIAL, []),
        "destroy_objects": lambda k: k.destroy_objects([]),
        "objects_due": lambda k: k.objects_due(NOW),
        "destroy_epochs": lambda k: k.destroy_epochs([]),
        "destroy_training": lambda k: k.destroy_training([]),
        "statements_logged": lambda k: k.statements_logged([]),
        "pending_statements": lambda k: k.pending_statements(),
        "accept_clock": lambda k: k.accept_clock(NOW),
        "revoke_credential": lambda k: k.revoke_credential(b"0" * 16),
        "destroy_scopes": lambda k: k.destroy_scopes([]),
    }
    allowed = {
        role: {name for name, call in calls.items() if not await refused(role, call)}
        for role in ROLES
    }
    assert allowed["gateway"] == {
        "status",
        "create_scope",
        "epoch_public_key",
        "scope_public_key",
        "certify_boot_key",
        "reveal_secret",
        "create_objects",
        "open_objects",
        "grant_work",
        "destroy_own_objects",
        "destroy_training",
    }
    assert allowed["worker"] == {
        "status",
        "create_scope",
        "epoch_public_key",
        "scope_public_key",
        "certify_boot_key",
        "reveal_secret",
        "create_objects",
        "open_granted",
    }
    assert allowed["clerk"] == {
        "destroy_objects",
        "objects_due",
        "status",
        "epoch_public_key",
        "certify_boot_key",
        "destroy_epochs",
        "destroy_training",
        "statements_logged",
        "pending_statements",
    }
    assert allowed["administrator"] == {
        "status",
        "create_scope",
        "register_credential",
        "register_administrator",
        "revoke_credential",
        "store_secret",
        "accept_clock",
        "destroy_scopes",
        "destroy_training",
    }


async def test_a_clock_is_accepted_only_as_it_stands(keeper_for: KeeperFor, world: World) -> None:
    await keeper_for("clerk").epoch_public_key(epoch_name())
    world.clock.set(epoch_start(Epoch(epoch_name().epoch + 48 * 40)))
    administrator = keeper_for("administrator")
    with pytest.raises(Conflict):
        await administrator.accept_clock(NOW)
    await administrator.accept_clock(world.clock.now())
    assert (await administrator.status()).live_epochs == []


async def test_calls_at_once_are_answered_each(keeper_for: KeeperFor) -> None:
    keeper = keeper_for("gateway")
    names = [epoch_name(Instant(NOW + ahead * HOUR_MS // 2)) for ahead in range(5)] * 20
    keys = await asyncio.gather(*(keeper.epoch_public_key(name) for name in names))
    assert [key.epoch for key in keys] == [name.epoch for name in names]
    assert len({key.x25519_key for key in keys}) == 5


async def test_the_retry_time_and_field_of_an_error_arrive(world: World, tmp_path: Path) -> None:
    class Refusing:
        async def status(self) -> None:
            raise NotYet("soon", retry_after_s=1.5)

        async def reveal_secret(self, _: str) -> None:
            raise InvalidInput("wrong", field="name")

        async def pending_statements(self) -> None:
            raise RuntimeError("customer content")

    server = KeeperServer(lambda _: Refusing(), {"gateway": token_hash(b"t")})  # type: ignore[arg-type, return-value]
    await server.start(listen(tmp_path / "s"))
    client = KeeperClient(tmp_path / "s", "gateway", b"t", SystemClock())
    with pytest.raises(NotYet) as later:
        await client.status()
    assert later.value.retry_after_s == 1.5
    with pytest.raises(InvalidInput) as wrong:
        await client.reveal_secret("x")
    assert wrong.value.field == "name"
    with pytest.raises(Unavailable) as unforeseen:
        await client.pending_statements()
    assert "content" not in str(unforeseen.value)
    await client.close()
    await server.stop()


async def test_a_client_without_the_token_or_of_another_user_is_refused(
    world: World, tmp_path: Path
) -> None:
    hashes = {"gateway": token_hash(b"right")}
    server = KeeperServer(lambda _: world.keeper.for_role("gateway"), hashes)
    await server.start(listen(tmp_path / "s"))
    for role, token in (("gateway", b"wrong"), ("clerk", b"right"), ("", b"")):
        with pytest.raises(Forbidden):
            await KeeperClient(tmp_path / "s", role, token, SystemClock()).status()
    strangers = KeeperServer(lambda _: world.keeper.for_role("gateway"), hashes, user_ids=[4711])
    await strangers.start(listen(tmp_path / "other"))
    with pytest.raises(Forbidden):
        await KeeperClient(tmp_path / "other", "gateway", b"right", SystemClock()).status()
    await server.stop()
    await strangers.stop()


async def test_a_keeper_that_comes_back_is_found_again(world: World, tmp_path: Path) -> None:
    path, token = tmp_path / "s", b"t"
    client = KeeperClient(path, "gateway", token, world.clock)
    with pytest.raises(Unavailable):
        await client.status()
    for _ in range(2):
        server = KeeperServer(
            lambda _: world.keeper.for_role("gateway"), {"gateway": token_hash(token)}
        )
        await server.start(listen(path))
        world.clock.advance(2000)
        assert (await client.status()).live_scopes == 2
        await server.stop()
        with pytest.raises(Unavailable):
            await client.status()
    await client.close()


async def test_an_oversized_frame_ends_the_connection(world: World, tmp_path: Path) -> None:
    server = KeeperServer(lambda _: world.keeper.for_role("gateway"), {"gateway": token_hash(b"t")})
    await server.start(listen(tmp_path / "s"))
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
    writer.write((16 * 1024 * 1024 + 1).to_bytes(4, "big"))
    assert await reader.read() == b""
    writer.close()
    client = KeeperClient(tmp_path / "s", "gateway", b"t", SystemClock())
    with pytest.raises(InvalidInput):
        await client.reveal_secret("x" * (16 * 1024 * 1024))
    assert (await client.status()).live_scopes == 2
    await client.close()
    await server.stop()


@pytest.mark.parametrize("turns", range(5))
def test_a_keeper_that_has_just_ended_is_away_for_whoever_asks_then(
    tmp_path: Path, turns: int
) -> None:
    """On the loop that processes run on: its transport is closed before the client reads so."""

    async def ask_at_once() -> None:
        world = await World().begin()
        server = KeeperServer(
            lambda _: world.keeper.for_role("gateway"), {"gateway": token_hash(b"t")}
        )
        await server.start(listen(tmp_path / "s"))
        client = KeeperClient(tmp_path / "s", "gateway", b"t", SystemClock())
        await client.status()
        assert client._writer is not None
        client._writer.transport.abort()
        for _ in range(turns):
            await asyncio.sleep(0)
        try:
            with contextlib.suppress(Unavailable):  # or it is connected anew
                assert (await client.status()).live_scopes == 2
        finally:
            await client.close()
            await server.stop()

    uvloop.run(ask_at_once())


async def test_what_was_shared_is_destroyed_once_and_for_all(
    keeper_for: KeeperFor, world: World
) -> None:
    """Also what never was: then nothing can be sealed to it later."""
    gateway = keeper_for("gateway")
    name = ScopeKeyName(REGION, Purpose.TRAINING, PROJECT)
    made = await gateway.create_scope(name)
    before = (await gateway.status()).generation
    ended = TrainingScope(REGION, PROJECT, 0, b"r" * 32)
    never = TrainingScope(REGION, PROJECT, 7, b"n" * 32)
    statements = await gateway.destroy_training([ended, never])
    assert (await gateway.status()).generation > before, "the root has rolled"
    identity = (await gateway.status()).identity
    for scope, statement in zip((ended, never), statements, strict=True):
        verify_statement(identity, statement)
        assert f'"subject":"{scope.subject}"'.encode() in statement.document
        assert PROJECT.hex().encode() not in statement.document
        with pytest.raises(DestroyedKey):
            await keeper_for("worker").create_scope(scope.name)
    assert await keeper_for("clerk").destroy_training([never, ended]) == statements[::-1]
    world.disk.crash()
    await world.restart()
    assert await keeper_for("clerk").destroy_training([ended]) == statements[:1]
    await keeper_for("clerk").statements_logged([ended.subject])
    assert await keeper_for("clerk").destroy_training([ended]) == []
    again = await gateway.create_scope(name._replace(generation=1))
    assert again.x25519_key != made.x25519_key
    with pytest.raises(InvalidInput):
        await gateway.destroy_training([TrainingScope(REGION, PROJECT, 1, b"short")])
