"""Writes tests/vectors/policy.json: facts and the decisions that the packaged policy makes of them.

The vectors fix what is decided and said in headers, not the wording of reasons, so that texts can
improve and decisions cannot change unseen.
"""

import json
from itertools import product
from pathlib import Path

from bailee.kernel.ids import Region
from bailee.kernel.instants import from_rfc3339, to_rfc3339
from bailee.policy.decide import EVERY_PURPOSE, decide
from bailee.policy.headers import handling_header
from bailee.policy.load import packaged_policy
from bailee.policy.model import Facts, RetentionMode

TARGET = Path(__file__).parents[1] / "tests" / "vectors" / "policy.json"
INSTANTS = ("2023-02-28T23:59:59.999Z", "2023-03-01T00:00:00.000Z", "2026-12-01T10:17:23.456Z")
ENDPOINTS = (
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/completions",
    "/v1/moderations",
    "/v1/files",
    "/v1/nowhere",
)
VARIANTS: tuple[dict[str, bool], ...] = (
    {},
    {"sharing_consent": True},
    {"improvement_opt_out": True},
    {"protected_health": True},
    {"store_requested": True},
    {"store_requested": True, "reject_store": True},
)


def vectors() -> list[dict[str, object]]:
    """Every combination of the above, as facts and decision."""
    policies = packaged_policy()
    made: list[dict[str, object]] = []
    for instant, endpoint, mode, variant in product(INSTANTS, ENDPOINTS, RetentionMode, VARIANTS):
        facts = Facts("api", endpoint, Region("us"), from_rfc3339(instant), mode)._replace(
            sharing_consent=variant.get("sharing_consent", False),
            improvement_opt_out=variant.get("improvement_opt_out", False),
            protected_health=variant.get("protected_health", False),
            store_requested=variant.get("store_requested"),
            reject_store=variant.get("reject_store", False),
        )
        decision = decide(policies, facts, EVERY_PURPOSE)
        made.append(
            {
                "facts": {
                    "endpoint": endpoint,
                    "submitted_at": to_rfc3339(facts.submitted_at),
                    "retention_mode": mode.value,
                    **variant,
                },
                "decision": {
                    "policy_version": decision.policy_version,
                    "refusal": decision.refusal,
                    "classifiers": list(decision.classifiers),
                    "clauses": [reason.clause for reason in decision.reasons],
                    "handling": handling_header(decision),
                },
            }
        )
    return made


def document() -> str:
    """The file's text: one vector a line."""
    lines = ",\n".join(json.dumps(vector) for vector in vectors())
    return f"[\n{lines}\n]\n"


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(document(), "utf-8")
