"""The classifier driver for whatever answers `/moderations` as OpenAI does.

A hosted provider, a guard model behind such an interface, and the embedded classifier's own
process: all are reached over a backend, which is given, with its credential, limits and TLS. What
an upstream says of categories beyond the thirteen is left out; one that it does not know (older
models lack two) counts as not looked at. Its error texts may quote the input and are not repeated.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bailee.kernel.errors import InvalidInput
from bailee.ports.backend import Backend, BackendCall, BackendFailure
from bailee.ports.classifier import CATEGORIES, Classification, Classified, InputType, Subject

PATH: Final = "/moderations"
_REFUSED_CREDENTIAL: Final = frozenset({401, 403})
_INPUT_TYPES: Final[tuple[InputType, ...]] = ("text", "image")


class _Result(msgspec.Struct):
    categories: dict[str, bool | None]
    category_scores: dict[str, float | None]
    category_applied_input_types: dict[str, list[str]] | None = None


class _Answer(msgspec.Struct):
    model: str
    results: list[_Result]


_ANSWER: Final = msgspec.json.Decoder(_Answer)


class OpenAiClassifier:
    """A driver of `ports.classifier`."""

    def __init__(self, backend: Backend, model: str) -> None:
        """`model` is the upstream's own name of it."""
        self._backend = backend
        self._model = model

    async def classify(self, subjects: Sequence[Subject]) -> Classified:
        """Judge each subject. Raises InvalidInput, BackendFailure."""
        if all(len(subject) == 1 and subject[0].type == "text" for subject in subjects):
            return await self._ask([subject[0].value for subject in subjects], subjects)
        results: list[Classification] = []
        model = self._model
        for subject in subjects:
            pieces = [_piece(piece.type, piece.value) for piece in subject]
            classified = await self._ask(pieces, [subject])
            model = classified.model
            results += classified.results
        return Classified(model, results)

    async def _ask(self, given: list[Any], subjects: Sequence[Subject]) -> Classified:
        body = msgspec.json.encode({"model": self._model, "input": given})
        answer = await self._backend.send(BackendCall(PATH, body, stream=False))
        said = await answer.read()
        if answer.status != 200:
            raise _failure(answer.status)
        try:
            found = _ANSWER.decode(said)
        except (msgspec.DecodeError, RecursionError):
            raise _broken("sent no moderation") from None
        if len(found.results) != len(subjects):
            raise _broken("sent another number of results than it was asked for")
        pairs = zip(found.results, subjects, strict=True)
        return Classified(found.model, [_classification(*pair) for pair in pairs])


def _piece(kind: InputType, value: str) -> dict[str, Any]:
    if kind == "text":
        return {"type": "text", "text": value}
    return {"type": "image_url", "image_url": {"url": value}}


def _classification(result: _Result, subject: Subject) -> Classification:
    """An older model says nothing of input types: it is one that reads text alone."""
    types = result.category_applied_input_types
    has_text = any(piece.type == "text" for piece in subject)
    applied: dict[str, list[InputType]] = {}
    scores: dict[str, float] = {}
    flags: dict[str, bool] = {}
    for name in CATEGORIES:
        score, flag = result.category_scores.get(name), result.categories.get(name)
        if score is None or flag is None:
            continue
        said = types.get(name, []) if types is not None else ["text"] * has_text
        applied[name] = [kind for kind in _INPUT_TYPES if kind in said]
        if applied[name]:
            scores[name], flags[name] = score, flag
    return Classification.of(scores, flags, applied)


def _failure(status: int) -> InvalidInput | BackendFailure:
    if status in _REFUSED_CREDENTIAL:
        return BackendFailure(
            "the classifier refuses its credential; replace it",
            reason="unreachable",
            retry_safe=True,
        )
    if status == 429 or status >= 500:
        reason = "overloaded" if status in (429, 503) else "broken"
        return BackendFailure(
            "the classifier could not answer; try again", reason=reason, retry_safe=True
        )
    return InvalidInput(
        "The classifier cannot judge this input. "
        "Send text alone, or ask a model that reads images.",
        field="input",
    )


def _broken(what: str) -> BackendFailure:
    return BackendFailure(f"the classifier {what}", reason="broken", retry_safe=True)
