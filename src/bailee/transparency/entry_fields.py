"""What each entry type's fields may hold: the table behind `transparency.entry`.

Every value is exact under RFC 8785: text, booleans, nulls and integers below 2^53. Instants are
RFC 3339 in UTC with milliseconds, digests base64 of 32 bytes, journals 16 hexadecimal digits.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import Purpose
from bailee.kernel.instants import from_rfc3339, to_rfc3339
from bailee.transparency.base64 import from_base64

Check = Callable[[object], bool]
"""Whether a value may stand in a field."""

_MAX_INTEGER: Final = 2**53 - 1
_REGION: Final = re.compile(r"[a-z0-9-]{1,32}", re.ASCII)
_JOURNAL: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
_POLICY: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_SUBJECT: Final = re.compile(r"epoch/[a-z0-9-]{1,32}/([a-z_]{1,32})/(0|[1-9][0-9]{0,7})", re.ASCII)
_OBJECT_SUBJECT: Final = re.compile(r"object/[a-z0-9-]{1,32}/[0-9a-f]{32}", re.ASCII)
_TRAINING_SUBJECT: Final = re.compile(r"training/[a-z0-9-]{1,32}/[0-9a-f]{64}", re.ASCII)
_WORD: Final = re.compile(r"[a-z][a-z_]{0,63}", re.ASCII)
_SCOPE: Final = re.compile(r"organisation|project", re.ASCII)
_PURPOSES: Final = frozenset(purpose.value for purpose in Purpose)


def _matching(pattern: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _number(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MAX_INTEGER


def _epoch(value: object) -> bool:
    # Bounded so that every epoch's deadline has a year of four digits.
    return type(value) is int and 0 <= value < 10**8


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**32


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _digest(value: object) -> bool:
    try:
        return isinstance(value, str) and len(from_base64(value, "a digest", 32)) == 32
    except InvalidInput:
        return False


def _instant(value: object) -> bool:
    try:
        return isinstance(value, str) and to_rfc3339(from_rfc3339(value)) == value
    except (ValueError, OverflowError):
        return False


def _purpose(value: object) -> bool:
    return isinstance(value, str) and value in _PURPOSES


def _subject(value: object) -> bool:
    # A project's identifier must not enter the log: what it shared has a reference.
    # An object's 16 bytes are random and shown to nobody but its owner.
    if isinstance(value, str):
        for pattern in (_OBJECT_SUBJECT, _TRAINING_SUBJECT):
            if pattern.fullmatch(value):
                return True
    matched = _SUBJECT.fullmatch(value) if isinstance(value, str) else None
    return matched is not None and matched[1] in _PURPOSES


def _anything(_value: object) -> bool:
    return True


_region: Final = _matching(_REGION)
_word: Final = _matching(_WORD)
_scope: Final = _matching(_SCOPE)


def _entry(**checks: Check) -> Mapping[str, Check]:
    # Type and version are checked before the fields are.
    return {"type": _anything, "version": _anything, "instant": _instant, **checks}


FIELDS: Final[Mapping[str, Mapping[str, Check]]] = {
    "epoch_opened": _entry(
        region=_region, purpose=_purpose, epoch=_epoch, public_key=_digest, deadline=_instant
    ),
    "journal_closed": _entry(
        region=_region,
        epoch=_epoch,
        journal=_matching(_JOURNAL),
        parts=_count,
        root=_digest,
        certificate=_digest,
        recovered=_flag,
    ),
    "segment_closed": _entry(
        region=_region,
        purpose=_purpose,
        epoch=_epoch,
        digest=_digest,
        rows=_number,
        size_bytes=_number,
        journals=_number,
    ),
    "destruction_intended": _entry(subject=_subject, content=_digest),
    "destroyed": _entry(
        subject=_subject,
        statement=_digest,
        unusable_at=_instant,
        irrecoverable_at=_optional(_instant),
        lateness_ms=_number,
        content=_digest,
        held=_number,
    ),
    "segments_removed": _entry(subject=_subject, objects=_number),
    "census": _entry(
        region=_region,
        purpose=_purpose,
        live=_number,
        oldest=_optional(_epoch),
        newest=_optional(_epoch),
        earliest_deadline=_optional(_instant),
        overdue=_number,
        held=_number,
    ),
    "key_root_rolled": _entry(generation=_number),
    "policy_published": _entry(policy=_matching(_POLICY), digest=_digest, effective=_instant),
    "consent_given": _entry(
        reference=_digest, scope=_scope, kind=_word, text=_matching(_POLICY), text_digest=_digest
    ),
    "consent_withdrawn": _entry(reference=_digest, scope=_scope, kind=_word),
    "agreement_executed": _entry(
        reference=_digest, kind=_word, text=_matching(_POLICY), document=_digest
    ),
    "zero_retention_approved": _entry(
        reference=_digest, scope=_scope, mode=_word, since=_instant, review_at=_instant
    ),
    "zero_retention_revoked": _entry(reference=_digest, scope=_scope, mode=_word),
}
"""By type: the fields that an entry has, all of them and no others."""
