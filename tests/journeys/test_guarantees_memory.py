"""G2: the gateway cannot open what it sealed.

Right after requests a worker's whole memory and the journals are taken. With the keyring, which
the worker does not have, the test then follows every session: each secret, chain key, wrap key and
content key of what was sealed is looked for in that memory, whole or in fragments of eight bytes.
What a live session needs to go on, and what opens nothing that was sealed, must be found: that
shows that the search works.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fixtures.inside import PURPOSE, load_keyring, owner_of
from tests.fixtures.installation import CHAT, Installation, chat_body, installation
from tests.fixtures.remains import Region, find_keys, follow, memory_of, sealed_under
from tests.fixtures.sealing_child import EPOCH, OWNER, SCOPE

from bailee.custody.journal.frames import encode_scope, encode_session
from bailee.custody.keeper import keys
from bailee.custody.keeper.state import KeyringState
from bailee.custody.seal.part import SealedPart
from bailee.custody.seal.session import ScopeFrame, SessionFrame
from bailee.drivers.system import SystemRandomness
from bailee.kernel.ids import SessionId
from bailee.kernel.instants import Instant

pytestmark = pytest.mark.journey

REQUESTS = 30
KEY_BYTES = 32


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("memory"), close_after_s=60) as made:
        yield made


def test_a_workers_memory_opens_nothing_that_it_sealed(place: Installation, tmp_path: Path) -> None:
    tenants = [place.tenant("one"), place.tenant("two")]
    gateway = place.pid("gateway-0")
    assert gateway is not None
    dumps: list[list[Region]] = []

    def take() -> None:
        journals = tmp_path / str(len(dumps)) / "journals"
        dumps.append(memory_of(gateway))
        shutil.copytree(place.data / "journals", journals)

    with place.client() as client:

        def ask(number: int) -> None:
            body = chat_body(f"a question {number}", stream=bool(number % 2))
            headers = tenants[number % len(tenants)].headers
            assert client.post(CHAT, content=body, headers=headers).status_code == 200

        # Right after a session began, when its beginnings would be freshest; and after many parts,
        # with a stream in the middle of its answer.
        ask(0)
        take()
        for number in range(1, REQUESTS):
            ask(number)
        body = chat_body("a question [hold]", stream=True)
        with client.stream("POST", CHAT, content=body, headers=tenants[0].headers) as got:
            assert got.status_code == 200
            assert place.model.holding.acquire(timeout=10)
            take()
            place.model.release()
            got.read()
    assert place.pid("gateway-0") == gateway
    place.stop()
    state = load_keyring(place.data)
    for number, dump in enumerate(dumps):
        under = sealed_under(tmp_path / str(number), state, map(owner_of, tenants))
        assert under.parts >= (2, 2 * REQUESTS)[number]
        assert len(under.spent) > 4 * under.parts
        found = find_keys(dump, under.spent | under.live | private_keys(state))
        assert [residue for residue in found if residue.key not in under.live] == []
        whole = {residue.key for residue in found if residue.matching_bytes == KEY_BYTES}
        assert sum("chain key" in name for name in whole) == (1, len(tenants))[number]


def private_keys(state: KeyringState) -> dict[str, bytes]:
    """What the keeper alone holds."""
    named = {f"epoch {name.epoch}": secret for name, secret in state.epochs.items()}
    named |= {f"scope {name.project.hex()}": secret for name, secret in state.scopes.items()}
    return {**named, "identity": state.identity, "pepper": state.pepper}


def test_a_worker_cannot_read_the_keyring(place: Installation) -> None:
    if place.process is None:
        place.start()
    gateway = place.pid("gateway-0")
    status = Path(f"/proc/{gateway}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    limits = Path(f"/proc/{gateway}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)
    log = (place.data / "logs" / "gateway-0.log").read_text()
    confined = '"enforcement": "landlock"' in log
    assert confined or "g2_not_enforced" in log
    open_files = [str(link.readlink()) for link in Path(f"/proc/{gateway}/fd").iterdir()]
    assert not [name for name in open_files if str(place.data / "keyring") in name]
    # Landlock's own tests show that a confined process is refused.


def test_sealing_leaves_no_key_behind() -> None:
    """The same for one part in a process that does nothing else, so that nothing is overwritten by
    chance."""
    randomness = SystemRandomness()
    epoch_secret, scope_secret = randomness.random_bytes(32), randomness.random_bytes(32)
    public = {
        "mlkem": keys.epoch_mlkem_key(EPOCH, epoch_secret).public_key().public_bytes_raw().hex(),
        "x25519": keys.epoch_x25519_key(EPOCH, epoch_secret).public_key().public_bytes_raw().hex(),
        "scope": keys.scope_x25519_key(SCOPE, scope_secret).public_key().public_bytes_raw().hex(),
    }
    pseudonym = keys.pseudonym(keys.pseudonym_key(EPOCH, epoch_secret), OWNER.project)
    public["pseudonym"] = pseudonym.hex()
    command = [sys.executable, "-m", "tests.fixtures.sealing_child"]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child, child.stdout, child.stdin:
        child.stdin.write(json.dumps(public).encode() + b"\n")
        child.stdin.flush()
        said = {
            name: bytes.fromhex(value)
            for name, value in json.loads(child.stdout.readline()).items()
        }
        memory = memory_of(child.pid)
    state = KeyringState(b"", b"", Instant(0), Instant(0))
    state.epochs[EPOCH], state.scopes[SCOPE] = epoch_secret, scope_secret
    session = SessionId(said["name"])
    frames = (
        EPOCH,
        encode_session(SessionFrame(session, said["session"]), PURPOSE),
        encode_scope(ScopeFrame(session, 0, 0, said["scope"])),
    )
    under = follow(state, [OWNER], frames, [SealedPart.decode(said["part"])])
    assert len(under.spent) == 13
    found = find_keys(memory, under.spent | under.live)
    assert {residue.key.partition(" ")[2] for residue in found} == {"epoch secret", "chain key 1"}
