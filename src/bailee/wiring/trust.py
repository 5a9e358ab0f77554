"""What must be believed to check an installation: its log's key and its keeper's.

The file holds public keys alone. It is made at first start, completed by the keeper's first start,
and never changed by Bailee afterwards: whoever uses another key than the pinned one is refused.
"""

import msgspec
from msgspec import Struct

from bailee.kernel.errors import Conflict, Unavailable
from bailee.kernel.ids import Region
from bailee.settings import Settings
from bailee.transparency.note import VerifierKey
from bailee.wiring.places import Places
from bailee.wiring.secrets import write_private


class Trust(Struct, frozen=True, kw_only=True):
    """The public keys of an installation."""

    origin: str
    """The log's name."""
    log_key: str
    """The log's verifier key, in its text form (C2SP signed-note)."""
    keeper_key: str | None = None
    """The keeper's Ed25519 public key, hexadecimal."""
    node: str
    """This machine, as rows and workers name it."""
    region: str | None = None
    """The region, fixed at first start; None in installations from before there were several."""
    simulated: bool = False
    """Whether time is simulated; fixed at first start."""

    @property
    def verifier(self) -> VerifierKey:
        """The log's key."""
        return VerifierKey.parse(self.log_key)

    @property
    def identity(self) -> bytes:
        """The keeper's key. Raises Unavailable before its first start."""
        if self.keeper_key is None:
            raise Unavailable("the keeper has not started yet; its key is not pinned")
        return bytes.fromhex(self.keeper_key)


def read_trust(places: Places) -> Trust:
    """The pinned keys. Raises Unavailable before the first start, Conflict for a clock that is
    simulated in a real installation or the other way round."""
    try:
        trust = msgspec.json.decode(places.trust.read_bytes(), type=Trust)
    except FileNotFoundError:
        raise Unavailable(
            f"{places.data} holds no installation; name one's data folder with --data, or start"
            " one there with `bailee serve`"
        ) from None
    if trust.simulated != places.simulated_clock.exists():
        raise Conflict(
            "this data folder was made with another kind of clock (simulated or real); "
            "an installation cannot change it"
        )
    return trust


def region_of(settings: Settings, trust: Trust) -> Region:
    """The installation's region.

    Raises:
        Conflict: the data folder was made for another.
    """
    if trust.region not in (None, settings.region):
        raise Conflict(
            f"this data folder is of the region `{trust.region}` and stays there; set `region` to "
            "it, or use another data folder"
        )
    return Region(settings.region)


def write_trust(places: Places, trust: Trust) -> None:
    """Pin. The folder is the file's own, so that the keeper can complete it when confined."""
    places.trust.parent.mkdir(mode=0o700, exist_ok=True)
    write_private(places.trust, msgspec.json.format(msgspec.json.encode(trust)) + b"\n")


def pin_keeper(places: Places, identity: bytes) -> None:
    """Pin the keeper's key at its first start. Raises Conflict when another one is pinned."""
    trust = read_trust(places)
    if trust.keeper_key is None:
        write_trust(places, msgspec.structs.replace(trust, keeper_key=identity.hex()))
    elif trust.identity != identity:
        raise Conflict(
            "the keyring is not the one that this installation was made with: its keeper's key is "
            "not the one in trust.json; put the right keyring back"
        )


def public_keys(trust: Trust, document_root: str) -> bytes:
    """What a stranger needs to verify: the log's key, the keeper's, documents' root certificate."""
    keys = {"log": trust.log_key, "keeper": trust.keeper_key, "documents": document_root}
    return msgspec.json.format(msgspec.json.encode(keys)) + b"\n"
