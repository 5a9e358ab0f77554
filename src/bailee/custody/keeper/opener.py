"""Opening a part for its owner: every rule that stands between a request and a content key.

Promises what `Keeper.open_part` says. Cheap refusals come first; private keys are derived last and
dropped at once, and only the content key of the one part leaves. `open_shared` opens what an owner
shared for training, under the same proofs; no role may ask for it yet.
"""

from typing import Final

from bailee.custody.keeper import credentials, keys
from bailee.custody.keeper.commits import Commits
from bailee.custody.keeper.keyring import Keyring
from bailee.custody.keeper.proof import Accepted, verify_log, verify_part
from bailee.custody.keeper.signatures import Identity
from bailee.custody.keeper.state import Credential, KeyringState
from bailee.custody.keeper.time_guard import TimeGuard
from bailee.custody.seal import opening
from bailee.custody.seal.part import Owner, PartHeader, Wrap
from bailee.kernel.errors import DestroyedKey, Forbidden, InvalidInput, TamperedContent
from bailee.kernel.ids import EpochKeyName, Purpose, ScopeKeyName
from bailee.kernel.instants import epoch_deadline
from bailee.ports.keeper import OpenPart
from bailee.transparency.note import VerifierKey

OWNER_PURPOSES: Final = frozenset({Purpose.ABUSE_MONITORING, Purpose.APPLICATION_STATE})
"""What an owner may have opened with a credential alone."""
_HASH_BYTES: Final = 32


class Opener:
    """Opens parts of one keyring, believing the log that `log_key` signs."""

    def __init__(
        self, keyring: Keyring, guard: TimeGuard, commits: Commits, log_key: VerifierKey
    ) -> None:
        self._keyring = keyring
        self._guard = guard
        self._commits = commits
        self._log_key = log_key

    async def open_part(self, request: OpenPart, identity: Identity) -> bytes:
        """See the port. `identity` is the keeper's own, which certified the worker."""
        if len(request.ciphertext_hash) != _HASH_BYTES:
            raise InvalidInput("a ciphertext's hash has 32 bytes", field="ciphertext_hash")
        header = PartHeader.decode(request.header)
        epoch = self._cell_epoch(request, header)
        bearer = credentials.verify(self._keyring.state, request.credential, self._guard.now())
        self._check_openable(epoch, bearer, header)
        verify_part(request, header, identity.public_key)
        await self._accept_checkpoint(request, header)
        # The commit may have waited: look at the time, the key and the bearer again.
        bearer = credentials.verify(self._keyring.state, request.credential, self._guard.now())
        self._check_openable(epoch, bearer, header)
        owner = Owner(bearer.tenant, bearer.project, epoch.region)
        return self._release(request, header, epoch, owner)

    async def open_shared(self, owner: Owner, request: OpenPart, identity: Identity) -> bytes:
        """The content key of a part that `owner` shared for training. No credential is looked at.

        Raises what `open_part` raises: DestroyedKey once the project has withdrawn, UnknownKey
        where it never shared, TamperedContent for another owner's part.
        """
        header = PartHeader.decode(request.header)
        region = request.proof.certificate.region
        epoch = EpochKeyName(region, Purpose.TRAINING, header.record.epoch)
        if request.purpose is not Purpose.TRAINING or owner.region != region:
            raise Forbidden("this opens what was shared for training, in its own region")
        self._check_alive(epoch)
        verify_part(request, header, identity.public_key)
        await self._accept_checkpoint(request, header)
        # The commit may have waited.
        self._check_alive(epoch)
        return self._release(request, header, epoch, owner)

    def _cell_epoch(self, request: OpenPart, header: PartHeader) -> EpochKeyName:
        if request.purpose not in OWNER_PURPOSES:
            raise Forbidden("an owner's credential does not open content held for this purpose")
        region = request.proof.certificate.region
        return EpochKeyName(region, request.purpose, header.record.epoch)

    def _check_openable(self, epoch: EpochKeyName, bearer: Credential, header: PartHeader) -> None:
        """Raises DestroyedKey from the deadline on, UnknownKey, and Forbidden for another's."""
        secret = self._check_alive(epoch)
        key = keys.pseudonym_key(epoch, secret)
        stated = (header.tenant_pseudonym, header.project_pseudonym)
        if stated != (keys.pseudonym(key, bearer.tenant), keys.pseudonym(key, bearer.project)):
            raise Forbidden("this API key opens nothing here; use a key of the record's project")

    def _check_alive(self, epoch: EpochKeyName) -> bytes:
        """The epoch's secret. Raises DestroyedKey from the deadline on, UnknownKey."""
        secret = self._keyring.state.epoch_secret(epoch)
        if self._guard.now() >= epoch_deadline(epoch.epoch):
            raise DestroyedKey("this record's deadline has passed; it does not open any more")
        return secret

    async def _accept_checkpoint(self, request: OpenPart, header: PartHeader) -> None:
        """The checkpoint is durable before anything is opened under it, so that no restart lets
        an older or another log be shown."""

        def change(state: KeyringState) -> None:
            accepted = Accepted(state.log_size, state.log_root)
            found = verify_log(request.proof, header.record.epoch, self._log_key, accepted)
            state.checkpoint = request.proof.checkpoint
            state.log_size, state.log_root = found.size, found.root

        state = self._keyring.state
        accepted = Accepted(state.log_size, state.log_root)
        found = verify_log(request.proof, header.record.epoch, self._log_key, accepted)
        if found.size > accepted.size:
            await self._commits.apply(change, roll=False)

    def _release(
        self, request: OpenPart, header: PartHeader, epoch: EpochKeyName, owner: Owner
    ) -> bytes:
        state = self._keyring.state
        session, purpose = opening.read_session_body(request.session)
        scope_frame = opening.read_scope_body(request.scope)
        wrap = Wrap.decode(request.wrap)
        # The header's generation is that of monitoring; training begins anew on its own.
        shared = epoch.purpose is Purpose.TRAINING
        generation = scope_frame.generation if shared else header.generation
        scope = ScopeKeyName(epoch.region, epoch.purpose, owner.project, generation)
        if (
            {purpose, wrap.purpose} != {request.purpose}
            or {session.session, scope_frame.session} != {wrap.session}
            or scope_frame.number != wrap.scope_number
            or scope_frame.generation != generation
        ):
            raise TamperedContent("the wrap, its session and its scope do not belong together")
        secret = state.epoch_secret(epoch)
        chain_key = opening.first_chain_key(
            epoch,
            scope,
            (keys.epoch_mlkem_key(epoch, secret), keys.epoch_x25519_key(epoch, secret)),
            keys.scope_x25519_key(scope, state.scope_secret(scope)),
            session,
            scope_frame,
        )
        return opening.unwrap(chain_key, wrap, owner, request.header)
