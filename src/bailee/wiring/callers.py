"""From a facts snapshot to the callers of the request path."""

from bailee.governance.administrators.model import is_admin_key
from bailee.governance.identity.model import is_session_token
from bailee.governance.tenancy.errors import CredentialRefused, Refusal
from bailee.governance.tenancy.last_used import LastUsed
from bailee.governance.tenancy.model import NO_CONSENT, Limits
from bailee.governance.tenancy.snapshot import Caller as KnownCaller
from bailee.governance.tenancy.snapshot import FactsSnapshot
from bailee.kernel.errors import Unavailable
from bailee.kernel.instants import Instant
from bailee.serving.caller import Caller, CallLimits
from bailee.serving.errors import Because, CallRefused
from bailee.settings import LimitsSettings
from bailee.wiring.sharing import Consenting, LiveSharing

_UNKNOWN = (
    "Incorrect API key provided. You can make one with `bailee keys create`, or ask whoever "
    "operates this server."
)
_OTHER_KIND = (
    "Incorrect API key provided: {}, which administers an organisation. This call wants a "
    "project's API key (`sk-bailee-…`). You can make one with `bailee keys create`, or ask whoever "
    "operates this server."
)


class CallerDirectory:
    """Finds callers, and remembers each as one value for as long as its facts stand."""

    def __init__(
        self, snapshot: FactsSnapshot, last_used: LastUsed, defaults: LimitsSettings
    ) -> None:
        self._snapshot = snapshot
        self._last_used = last_used
        self._key_defaults = CallLimits(
            defaults.key_requests_per_minute, defaults.key_tokens_per_minute
        )
        self._project_defaults = CallLimits(
            defaults.project_requests_per_minute, defaults.project_tokens_per_minute
        )
        self._callers: dict[str, tuple[KnownCaller, Caller]] = {}
        self._consenting = Consenting(snapshot)

    def authenticate(self, credential: str, now: Instant) -> Caller:
        """See `serving.caller.Authenticate`."""
        try:
            known = self._snapshot.authenticate(credential.encode("utf-8", "replace"), now)
        except CredentialRefused as refused:
            raise _refusal(refused, credential.encode("utf-8", "replace")) from None
        except Unavailable as error:
            raise CallRefused(Because.FACTS_STALE, str(error), retry_after_ms=1000) from None
        self._last_used.note(known.public_id, now)
        remembered = self._callers.get(known.public_id)
        if remembered is None or remembered[0] is not known:
            remembered = self._callers[known.public_id] = (known, self._caller(known))
        if known.consent is NO_CONSENT:
            return remembered[1]
        return self._consenting.at(remembered[1], known.consent, now)

    def _caller(self, known: KnownCaller) -> Caller:
        return Caller(
            key_id=bytes.fromhex(known.public_id),
            tenant=known.tenant,
            project=known.project,
            region=known.region,
            scope_generation=known.scope_generation,
            retention_mode=known.retention_mode,
            key_limits=_limits(known.key_limits, self._key_defaults),
            project_limits=_limits(known.project_limits, self._project_defaults),
            model_limits={
                model: CallLimits(*limits) for model, limits in known.model_limits.items()
            },
            reject_store=known.reject_store,
            client_certificates=known.client_certificates,
            # Before 2023-03-01 content could serve although its owner had said nothing.
            shared=LiveSharing(self._snapshot, known.project, 0, opted_in=False),
            archived=known.archived,
            service=known.service,
            protected_health=known.protected_health,
        )


def _limits(own: Limits, default: CallLimits) -> CallLimits:
    """A limit of 0 in the facts says nothing: the installation's default holds."""
    return CallLimits(
        own.requests_per_minute or default.requests_per_minute,
        own.tokens_per_minute or default.tokens_per_minute,
    )


def _refusal(refused: CredentialRefused, credential: bytes) -> CallRefused:
    match refused.refusal:
        case Refusal.REVOKED:
            return CallRefused(Because.KEY_REVOKED, "This API key has been revoked. Use another.")
        case Refusal.EXPIRED:
            return CallRefused(Because.KEY_EXPIRED, "This API key has expired. Use another.")
        case Refusal.SUSPENDED:
            return CallRefused(Because.SUSPENDED, str(refused))
        case _:
            return CallRefused(Because.KEY_UNKNOWN, _unknown(credential))


def _unknown(credential: bytes) -> str:
    """What is said of a key that is not known here: its form alone tells one of another kind.

    Whether there is such an admin key or session is not looked up, and so not told.
    """
    if is_admin_key(credential):
        return _OTHER_KIND.format("this is an admin key")
    if is_session_token(credential):
        return _OTHER_KIND.format("this is the session of a person")
    return _UNKNOWN
