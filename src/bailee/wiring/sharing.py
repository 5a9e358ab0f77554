"""What a record may serve besides, as one process knows it now: consent in sealing's terms.

Promises that what is not known for sure does not stand: a gateway worker that lost its lease, and a
worker whose look at the database is older than a lease, seal nothing for training.
"""

from typing import NamedTuple, Protocol

from bailee.governance.tenancy.model import NO_CONSENT, Consent
from bailee.kernel.ids import ProjectId
from bailee.kernel.instants import Instant
from bailee.policy.turns import stands
from bailee.serving.caller import Caller


class Known(Protocol):
    """What is known of consent, and whether it may be acted on. `FactsSnapshot` is one."""

    def consent(self, project: ProjectId) -> Consent:
        """What is known now of a project's consent."""
        ...

    def leased(self) -> bool:
        """Whether facts that permit more may be acted on."""
        ...


class LiveSharing(NamedTuple):
    """`custody.recorder.sharing.Shared`: asked at every part, it answers by what is known then."""

    known: Known
    project: ProjectId
    generation: int
    opted_in: bool
    """Whether it rests on an opt-in; otherwise on there being no opt-out."""

    def stands(self, now: Instant) -> bool:
        """See the protocol. What begins anew after an end is another generation's."""
        if not self.known.leased():
            return False
        consent = self.known.consent(self.project)
        if self.opted_in:
            return consent.generation == self.generation and stands(consent.sharing, now)
        return not stands(consent.opt_out, now)


class SaidNow(NamedTuple):
    """What an owner's consent amounts to at an instant."""

    sharing: bool
    opted_out: bool


class _Remembered(NamedTuple):
    caller: Caller
    consent: Consent
    by_said: dict[SaidNow, Caller]


class Consenting:
    """Callers with what their owners' consent amounts to, each remembered as one value."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._remembered: dict[bytes, _Remembered] = {}

    def at(self, caller: Caller, consent: Consent, now: Instant) -> Caller:
        """The caller at an instant. Without a lease its owner is taken to object."""
        if consent is NO_CONSENT:
            return caller
        said = SaidNow(sharing=False, opted_out=True)
        if self._known.leased():
            said = SaidNow(stands(consent.sharing, now), stands(consent.opt_out, now))
        found = self._remembered.get(caller.key_id)
        if found is None or found.consent != consent or found.caller != caller:
            found = self._remembered[caller.key_id] = _Remembered(caller, consent, {})
        made = found.by_said.get(said)
        if made is None:
            made = found.by_said[said] = caller._replace(
                sharing_consent=said.sharing,
                improvement_opt_out=said.opted_out,
                shared=LiveSharing(self._known, caller.project, consent.generation, said.sharing),
            )
        return made
