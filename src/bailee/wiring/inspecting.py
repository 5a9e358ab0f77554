"""What an operator sees of one thing that a project keeps: never its content, name or metadata."""

from collections.abc import Mapping
from typing import Any, Final

from bailee.application_state import repository
from bailee.application_state.model import PREFIXES, HeldObject, Kind, State
from bailee.custody.seal.held import KeyBlock
from bailee.kernel.errors import NotFound
from bailee.kernel.ids import project_text, tenant_text
from bailee.kernel.instants import epoch_deadline, to_rfc3339
from bailee.ports.database import Database

Row = Mapping[str, Any]

_MODEL: Final = "ft:"


async def inspect_kept(database: Database, public_id: str) -> Row:
    """What is held of a thing, by its identifier or by a fine-tuned model's name.

    Raises:
        NotFound: nothing of this name is kept, or was.
    """
    if public_id.startswith(_MODEL):
        public_id = PREFIXES[Kind.ADAPTER] + public_id.rpartition(":")[2]
    async with database.platform_reading() as transaction:
        found = await repository.anywhere(transaction, public_id)
    if found is None:
        raise NotFound("nothing of this name is kept here, or was")
    return {
        "kept": found.public_id,
        "kind": found.kind.value,
        "project": project_text(found.project),
        "organisation": tenant_text(found.tenant),
        "state": found.state.value,
        "arrived": to_rfc3339(found.created_at),
        "until": found.expires_at and to_rfc3339(found.expires_at),
        "deleted": found.deleted_at and to_rfc3339(found.deleted_at),
        "held_for": _purposes(found),
        "size_bytes": found.size_bytes,
        "lies_in": _places(found),
        "receipt": f"log/receipts/{found.name.subject}.json" if found.deleted_at else None,
    }


def _purposes(found: HeldObject) -> list[Row]:
    if not found.key_block:
        return []
    return [
        {
            "purpose": wrap.purpose.value,
            "until": None if wrap.epoch is None else to_rfc3339(epoch_deadline(wrap.epoch)),
        }
        for wrap in KeyBlock.decode(found.key_block).wraps
    ]


def _places(found: HeldObject) -> list[str]:
    if found.state is State.DESTROYED:
        return []
    return ["database"] if found.digest is None else ["database", found.blob]
