"""What holds content prints none of it, whoever prints it."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import bailee

CONTENT = {
    "adapter",
    "answer",
    "arguments",
    "body",
    "content",
    "details",
    "examples",
    "filename",
    "input",
    "instructions",
    "items",
    "messages",
    "metadata",
    "prompt",
    "request",
    "suffix",
    "text",
    "validation",
}
"""Fields that by their names hold what customers wrote or models answered."""
WITHOUT = {
    "bailee.cli.canary.calls.Call": "words of a proof's own",
    "bailee.cli.canary.calls.Kind": "a function",
    "bailee.cli.canary.client.Answer": "answers to a proof's own calls",
    "bailee.cli.tour.tenants.Exchange": "words of a proof's own",
    "bailee.governance.audit.model.Recorded": "what administrators did",
    "bailee.ports.audit.AuditEvent": "what administrators did",
    "bailee.api.administration.certificates.CertificateDetails": "a public certificate",
    "bailee.governance.certificates.model.Certificate": "a public certificate",
    "bailee.governance.certificates.model.Read": "a public certificate",
    "bailee.api.bailee_v1.consents.Give": "the version of a published text",
    "bailee.api.bailee_v1.consents.StatementView": "the version of a published text",
    "bailee.api.bailee_v1.consents.TextView": "a published text",
    "bailee.policy.unbuilt.Unbuilt": "a published text",
    "bailee.governance.consent.model.Statement": "the version of a published text",
    "bailee.governance.consent.texts.Text": "a published text",
    "bailee.policy.explain.ExplainedReason": "the policy's text",
    "bailee.policy.history.Clause": "the policy's text",
    "bailee.policy.show.ShownClause": "the policy's text",
    "bailee.transparency.note.Note": "a public checkpoint",
    "bailee.application_state.model.HeldObject": "sealed details",
    "bailee.application_state.batches.Batch": "its details hide themselves",
    "bailee.application_state.fine_tuning.Job": "its details hide themselves",
    "bailee.application_state.uploads.Upload": "its details hide themselves",
    "bailee.drivers.keeper_socket.messages.Open": "headers and wraps of a sealed part",
    "bailee.drivers.memory.files._Node": "a simulated disk of tests",
    "bailee.serving.owner_reads.ReadRecord": "its fields redact themselves",
}
SOURCE = Path(bailee.__file__).parent
SKIPPED = ("__main__", "migrations", "postgres_embedded.launch", "lifeline")


def holders() -> Iterator[type]:
    """Types with a field that holds content."""
    for found in pkgutil.walk_packages(bailee.__path__, "bailee."):
        if any(part in found.name for part in SKIPPED):
            continue
        module = importlib.import_module(found.name)
        for kind in vars(module).values():
            if inspect.isclass(kind) and kind.__module__ == found.name and fields(kind) & CONTENT:
                yield kind


def fields(kind: type) -> set[str]:
    """The fields that a type prints by itself."""
    if issubclass(kind, msgspec.Struct):
        return set(kind.__struct_fields__)
    if dataclasses.is_dataclass(kind):
        return {field.name for field in dataclasses.fields(kind) if field.repr}
    return set(getattr(kind, "_fields", ()))


def name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


HOLDERS = {name_of(kind): kind for kind in holders()}


@pytest.mark.parametrize("name", sorted(HOLDERS.keys() - WITHOUT.keys()))
def test_a_holder_of_content_hides_it(name: str) -> None:
    """Use `kernel.redacted`, or name the type above with the reason why it holds none."""
    own = getattr(HOLDERS[name].__repr__, "__code__", None)
    assert own is not None, "it shows every field"
    assert Path(own.co_filename).is_relative_to(SOURCE), "it shows every field"


def test_every_exception_exists() -> None:
    assert WITHOUT.keys() <= HOLDERS.keys()
