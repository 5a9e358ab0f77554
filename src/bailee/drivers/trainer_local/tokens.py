"""Conversations as tokens, with a mark on those that are learned.

The text is what the model's own chat template makes, the same that llama.cpp renders when it
answers. What the template puts before an answer and the answer are tokenised apart, as they are
when the model writes it.
"""

from collections.abc import Iterator
from collections.abc import Sequence as Items
from typing import Any, Final, NamedTuple

from bailee.ports.trainer import PreferenceExample, SupervisedExample, TrainingFailure, Turn

_TEMPLATE_ROLES: Final = {"developer": "system"}


class Sequence(NamedTuple):
    """Tokens, and for each whether it is learned."""

    ids: list[int]
    learned: list[bool]

    def cut(self, context_tokens: int) -> "Sequence":
        """At most that many tokens."""
        return Sequence(self.ids[:context_tokens], self.learned[:context_tokens])


class Tokens:
    """Makes sequences with a model's tokenizer (of transformers)."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def supervised(self, example: SupervisedExample) -> Sequence:
        """A conversation. Raises TrainingFailure if the template does not fit."""
        return self._sequence(example.turns)

    def preference(self, example: PreferenceExample) -> tuple[Sequence, Sequence]:
        """The conversation with the preferred answer, and with the other."""
        given = tuple(Turn(turn.role, turn.content, learn=False) for turn in example.turns)
        return (
            self._sequence((*given, example.preferred)),
            self._sequence((*given, example.rejected)),
        )

    def _sequence(self, turns: tuple[Turn, ...]) -> Sequence:
        ids: list[int] = []
        learned: list[bool] = []
        done = ""
        for index, turn in enumerate(turns):
            if turn.role != "assistant" or not turn.learn:
                continue
            before = self._rendered(turns[:index], answering=True)
            through = self._rendered(turns[: index + 1], answering=False)
            if not (before.startswith(done) and through.startswith(before)):
                raise TrainingFailure(
                    "this model's chat template changes earlier messages; fine-tune another model",
                    retry_safe=False,
                )
            given, answer = self._ids(before[len(done) :]), self._ids(through[len(before) :])
            ids += given + answer
            learned += [False] * len(given) + self._until_end(answer)
            done = through
        return Sequence(ids, learned)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _until_end(self, answer: list[int]) -> list[bool]:
        """What follows the end of a turn is the template's and never written by the model."""
        end = self._tokenizer.eos_token_id
        size = answer.index(end) + 1 if end in answer else len(answer)
        return [position < size for position in range(len(answer))]

    def _rendered(self, turns: tuple[Turn, ...], *, answering: bool) -> str:
        messages = [
            {"role": _TEMPLATE_ROLES.get(turn.role, turn.role), "content": turn.content}
            for turn in turns
        ]
        text: str = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=answering
        )
        return text


def pieces(
    batch: Items[tuple[Sequence, ...]], tokens_at_once: int
) -> Iterator[list[tuple[Sequence, ...]]]:
    """A batch in pieces that memory allows at once.

    Padding counts; an example that is too large by itself is a piece.
    """
    piece: list[tuple[Sequence, ...]] = []
    longest = 0
    for example in batch:
        length = max(len(one.ids) for one in example)
        if piece and max(longest, length) * len(example) * (len(piece) + 1) > tokens_at_once:
            yield piece
            piece, longest = [], 0
        piece.append(example)
        longest = max(longest, length)
    if piece:
        yield piece
