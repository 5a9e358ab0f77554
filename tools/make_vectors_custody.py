"""Writes tests/vectors/{part,object,keyring}.json.

HPKE's encapsulation draws randomness inside the library, so a session's two encapsulations and an
object's key block differ from run to run, and nothing else does: they are kept from an existing
file unless it is removed.
Binary values are hexadecimal. tests/vectors/part-hpke.json was published by others, not made here.

    python tools/make_vectors_custody.py [folder]
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from bailee.custody.keeper import keys
from bailee.custody.keeper.keyring import seal_keyring
from bailee.custody.keeper.state import KeyringState, ObjectSecret
from bailee.custody.seal.held import Recipient, new_held_key
from bailee.custody.seal.part import KIND_PROMPT, NO_HASH, Owner, PartHeader, part_hash, record_hash
from bailee.custody.seal.session import Session, seal_part
from bailee.drivers.keys_file import encode_slot
from bailee.drivers.memory import SeededRandomness
from bailee.kernel.ids import (
    EpochKeyName,
    JournalId,
    ObjectId,
    ObjectKeyName,
    ProjectId,
    Purpose,
    RecordId,
    Region,
    ScopeKeyName,
    TenantId,
)
from bailee.kernel.instants import Epoch, Instant
from bailee.ports.root_slots import RootSlot

EPOCH = EpochKeyName(Region("us"), Purpose.ABUSE_MONITORING, Epoch(980_000))
SCOPE = ScopeKeyName(Region("us"), Purpose.ABUSE_MONITORING, ProjectId(bytes(range(16, 32))), 1)
OWNER = Owner(TenantId(bytes(range(16))), SCOPE.project, SCOPE.region)
EPOCH_SECRET, SCOPE_SECRET = b"\x11" * 32, b"\x22" * 32
OBJECT = ObjectKeyName(Region("us"), SCOPE.project, ObjectId(bytes(range(32, 48))))
OBJECT_SECRET = b"\xaa" * 32
CONTENT = b'{"model":"a-model","messages":[{"role":"user","content":"Good day."}]}'
ROOT = RootSlot(3, b"\x33" * 32)


def part_vector() -> dict[str, Any]:
    """One prompt, sealed as the third of its chain."""
    mlkem = keys.epoch_mlkem_key(EPOCH, EPOCH_SECRET).public_key().public_bytes_raw()
    x25519 = keys.epoch_x25519_key(EPOCH, EPOCH_SECRET).public_key().public_bytes_raw()
    scope_key = keys.scope_x25519_key(SCOPE, SCOPE_SECRET).public_key().public_bytes_raw()
    session = Session(EPOCH, mlkem, x25519, SeededRandomness(1))
    chain, frame = session.chain(SCOPE, scope_key)
    if frame is None:
        raise RuntimeError("a new session has no chains")
    for _ in range(2):
        chain.wrap(bytes(32), b"")
    pseudonyms = keys.pseudonym_key(EPOCH, EPOCH_SECRET)
    header = PartHeader(
        kind=KIND_PROMPT,
        flags=0,
        endpoint=1,
        status=0,
        part=0,
        record=RecordId(EPOCH.epoch, JournalId(7), 5),
        sealed_at=Instant(EPOCH.epoch * 1_800_000 + 1000),
        tenant_pseudonym=keys.pseudonym(pseudonyms, OWNER.tenant),
        project_pseudonym=keys.pseudonym(pseudonyms, OWNER.project),
        generation=SCOPE.generation,
        previous=NO_HASH,
        receipt_commitment=NO_HASH,
        key_commitment=NO_HASH,
        content_bytes=0,
    )
    content_key = SeededRandomness(2).random_bytes(32)
    part, _ = seal_part(header.record, 0, header.start(), CONTENT, content_key, OWNER, (chain,))
    digest = hashlib.sha256
    hashed = part_hash(digest(part.header).digest(), digest(part.ciphertext).digest())
    return {
        "epoch_name": EPOCH.encoded().hex(),
        "scope_name": SCOPE.encoded().hex(),
        "epoch_secret": EPOCH_SECRET.hex(),
        "scope_secret": SCOPE_SECRET.hex(),
        "mlkem_public_key": mlkem.hex(),
        "x25519_public_key": x25519.hex(),
        "scope_public_key": scope_key.hex(),
        "pseudonym_key": pseudonyms.hex(),
        "session": session.session.hex(),
        "epoch_encapsulation": session.frame.encapsulation.hex(),
        "scope_encapsulation": frame.encapsulation.hex(),
        "content_key": SeededRandomness(2).random_bytes(32).hex(),
        "content": CONTENT.hex(),
        "part": part.encode().hex(),
        "part_hash": hashed.hex(),
        "record_hash": record_hash(NO_HASH, hashed).hex(),
    }


def object_vector() -> dict[str, Any]:
    """One thing, kept until it is deleted, for application state and for abuse monitoring."""
    state = SCOPE._replace(purpose=Purpose.APPLICATION_STATE)
    scope_keys = [keys.scope_x25519_key(scope, SCOPE_SECRET) for scope in (state, SCOPE)]
    object_keys = (
        keys.object_mlkem_key(OBJECT, OBJECT_SECRET).public_key().public_bytes_raw(),
        keys.object_x25519_key(OBJECT, OBJECT_SECRET).public_key().public_bytes_raw(),
    )
    epoch_keys = (
        keys.epoch_mlkem_key(EPOCH, EPOCH_SECRET).public_key().public_bytes_raw(),
        keys.epoch_x25519_key(EPOCH, EPOCH_SECRET).public_key().public_bytes_raw(),
    )
    public = [key.public_key().public_bytes_raw() for key in scope_keys]
    held, block = new_held_key(
        OBJECT,
        OWNER,
        object_keys,
        (Recipient(state, public[0]), Recipient(SCOPE, public[1], EPOCH, epoch_keys)),
        SeededRandomness(3),
    )
    return {
        "object_name": OBJECT.encoded().hex(),
        "object_secret": OBJECT_SECRET.hex(),
        "object_mlkem_key": object_keys[0].hex(),
        "object_x25519_key": object_keys[1].hex(),
        "scope_secret": SCOPE_SECRET.hex(),
        "epoch_secret": EPOCH_SECRET.hex(),
        "content_key": SeededRandomness(3).random_bytes(32).hex(),
        "key_block": block.encode().hex(),
        "commitment": held.commitment.hex(),
        "content": CONTENT.hex(),
        "chunk": held.seal_chunk(0, CONTENT, final=True).hex(),
        "details": b'{"filename":"notes.txt"}'.hex(),
        "sealed_details": held.seal_details(b'{"filename":"notes.txt"}', b"\x12" * 12).hex(),
    }


def keyring_vector() -> dict[str, Any]:
    """A keyring with a live and a destroyed epoch."""
    state = KeyringState(b"\x44" * 32, b"\x55" * 32, Instant(1000), Instant(2000))
    gone = EPOCH._replace(epoch=Epoch(EPOCH.epoch - 1))
    state.epochs = {gone: b"\x66" * 32, EPOCH: EPOCH_SECRET}
    state.scopes = {SCOPE: SCOPE_SECRET}
    deleted = OBJECT._replace(object=ObjectId(b"\x99" * 16))
    state.objects = {
        OBJECT: ObjectSecret(OBJECT_SECRET, Instant(3000)),
        deleted: ObjectSecret(b"\x88" * 32, None),
    }
    state.destroy_object(deleted)
    state.destroy_epoch(gone)
    plaintext = state.encode()
    sealed = seal_keyring(bytes(bytearray(plaintext)), ROOT.generation, ROOT.root, b"\x77" * 12)
    return {
        "generation": ROOT.generation,
        "root": ROOT.root.hex(),
        "nonce": (b"\x77" * 12).hex(),
        "plaintext": plaintext.hex(),
        "keyring": sealed.hex(),
        "root_slot": encode_slot(ROOT).rstrip(b"\x00").hex(),
    }


def main(folder: Path) -> None:
    """Write both files."""
    part = part_vector()
    path = folder / "part.json"
    if path.exists():
        known = json.loads(path.read_text())
        part |= {name: known[name] for name in ("epoch_encapsulation", "scope_encapsulation")}
    path.write_text(json.dumps(part, indent=1) + "\n")
    held = object_vector()
    path = folder / "object.json"
    if path.exists():
        held["key_block"] = json.loads(path.read_text())["key_block"]
    path.write_text(json.dumps(held, indent=1) + "\n")
    (folder / "keyring.json").write_text(json.dumps(keyring_vector(), indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("tests/vectors"))
