"""What stands of a project now, for work in the background: may it go on?"""

from typing import Final

from bailee.application_state.fine_tuning import JobError
from bailee.custody.seal.part import Owner
from bailee.governance.policy_drafts.published import PolicyInForce
from bailee.governance.tenancy.errors import CredentialRefused
from bailee.governance.tenancy.standing import ConsentsAhead, standing
from bailee.kernel.instants import Instant
from bailee.ports.clock import Clock
from bailee.ports.database import Database
from bailee.serving.batching.carrying import Standing
from bailee.serving.caller import Authenticate, Caller
from bailee.serving.errors import Because, CallRefused
from bailee.serving.routing import Planner, refused_by_policy
from bailee.training.working import Standing as MayTrain
from bailee.wiring.sharing import Consenting, LiveSharing

_TRAINING: Final = "/v1/fine_tuning/jobs"
_NO_KEY: Final = bytes(8)


def standing_of(database: Database, in_force: PolicyInForce, ahead: ConsentsAhead) -> Standing:
    """What stands of a project now, as a caller, with the policies and its consent from then on."""

    async def caller_of(owner: Owner, key_id: bytes) -> Caller:
        await in_force.present(database)
        try:
            found = await standing(database, owner)
            await ahead.want()
        except CredentialRefused as refused:
            raise CallRefused(Because.SUSPENDED, str(refused)) from None
        return Caller(
            key_id=key_id,
            tenant=owner.tenant,
            project=owner.project,
            region=owner.region,
            scope_generation=found.scope_generation,
            retention_mode=found.retention_mode,
            reject_store=found.reject_store,
            shared=LiveSharing(ahead, owner.project, 0, opted_in=False),
            service=found.service,
            protected_health=found.protected_health,
        )

    return caller_of


def consenting_of(authenticate: Authenticate, ahead: ConsentsAhead) -> Authenticate:
    """Whoever comes, with what their consent amounts to at that instant."""
    consenting = Consenting(ahead)

    def with_consent(credential: str, now: Instant) -> Caller:
        caller = authenticate(credential, now)
        return consenting.at(caller, ahead.consent(caller.project), now)

    return with_consent


def may_train_of(caller_of: Standing, planner: Planner, clock: Clock) -> MayTrain:
    """Whether a project's jobs may go on: as if it asked for one now."""

    async def may_train(owner: Owner) -> JobError | None:
        try:
            caller = await caller_of(owner, _NO_KEY)
            _, decision = planner.decide(caller, _TRAINING, clock.now())
            if not decision.allowed:
                raise refused_by_policy(decision)
        except CallRefused as refused:
            return JobError(refused.name or refused.because.value, str(refused))
        return None

    return may_train
