"""The keeper's word that secrets are gone: how its subjects are named and what it says.

The times are filled in from when the former root had been overwritten.
"""

from bailee.custody.keeper.state import Destruction
from bailee.kernel.ids import EpochKeyName, ObjectKeyName, ScopeKeyName
from bailee.kernel.instants import Instant, to_rfc3339
from bailee.ports.root_slots import ErasureTimes
from bailee.transparency import entry


def epoch_subject(name: EpochKeyName) -> str:
    """As in `epoch/us/abuse_monitoring/994000`."""
    return f"epoch/{name.region}/{name.purpose.value}/{name.epoch}"


def scope_subject(name: ScopeKeyName) -> str:
    """As in `scope/us/abuse_monitoring/<project, 32 hexadecimal digits>/0`."""
    return f"scope/{name.region}/{name.purpose.value}/{name.project.hex()}/{name.generation}"


def object_subject(name: ObjectKeyName) -> str:
    """As in `object/us/<32 hexadecimal digits>`."""
    return name.subject


def document(destruction: Destruction, overwritten_at: Instant, times: ErasureTimes) -> bytes:
    """The statement as canonical JSON (RFC 8785). Instants are RFC 3339.

    `overwritten_at` is when the overwriting of the former root had been synced. What has no
    schedule was due when it was destroyed, and is not late.
    """
    unusable_at = Instant(overwritten_at + times.unusable_after_ms)
    deadline = unusable_at if destruction.deadline is None else destruction.deadline
    after_ms = times.irrecoverable_after_ms
    irrecoverable_at = None if after_ms is None else to_rfc3339(Instant(overwritten_at + after_ms))
    return entry.canonical(
        {
            "type": "destruction",
            "version": 1,
            "subject": destruction.subject,
            "deadline": to_rfc3339(deadline),
            "unusable_at": to_rfc3339(unusable_at),
            "irrecoverable_at": irrecoverable_at,
            "assumption": times.assumption,
            "lateness_ms": max(0, unusable_at - deadline),
            "generation": destruction.generation,
        }
    )
