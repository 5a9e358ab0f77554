"""What is learned of a conversation, and in which pieces; a tokenizer of one token per letter."""

from typing import Any

import pytest

from bailee.drivers.trainer_local.tokens import Sequence, Tokens, pieces
from bailee.ports.trainer import PreferenceExample, SupervisedExample, TrainingFailure, Turn

END = "#"


class Letters:
    """A tokenizer as transformers' are, with a plain chat template."""

    eos_token_id = ord(END)

    def __init__(self, opening: str = "") -> None:
        self._opening = opening

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        assert not add_special_tokens
        return {"input_ids": [ord(letter) for letter in text]}

    def apply_chat_template(
        self, messages: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str:
        assert not tokenize
        text = "".join(f"{one['role'][0]}:{one['content']}{END}\n" for one in messages)
        opening = self._opening * len(messages)
        return opening + text + ("a:" if add_generation_prompt else "")


def text_of(sequence: Sequence, *, learned: bool) -> str:
    marked = zip(sequence.ids, sequence.learned, strict=True)
    return "".join(chr(one) for one, is_learned in marked if is_learned or not learned)


CONVERSATION = (
    Turn("developer", "be kind"),
    Turn("user", "one"),
    Turn("assistant", "first"),
    Turn("user", "two"),
    Turn("assistant", "unlearned", learn=False),
    Turn("user", "three"),
    Turn("assistant", "last"),
    Turn("user", "beyond"),
)


def test_the_assistants_words_alone_are_learned_with_their_end() -> None:
    sequence = Tokens(Letters()).supervised(SupervisedExample(CONVERSATION))
    assert text_of(sequence, learned=True) == "first#last#"
    whole = text_of(sequence, learned=False)
    assert whole == ("s:be kind#\nu:one#\na:first#\nu:two#\na:unlearned#\nu:three#\na:last#\n")


def test_of_a_pair_the_answers_alone_are_learned() -> None:
    example = PreferenceExample(
        CONVERSATION[:4], Turn("assistant", "good"), Turn("assistant", "bad")
    )
    preferred, rejected = Tokens(Letters()).preference(example)
    assert text_of(preferred, learned=True) == "good#"
    assert text_of(rejected, learned=True) == "bad#"
    assert text_of(preferred, learned=False).startswith("s:be kind#\nu:one#\na:first#\n")


def test_a_template_that_rewrites_what_came_before_is_refused() -> None:
    with pytest.raises(TrainingFailure, match="template"):
        Tokens(Letters(opening="!")).supervised(SupervisedExample(CONVERSATION))


def test_a_cut_keeps_the_beginning() -> None:
    cut = Tokens(Letters()).supervised(SupervisedExample(CONVERSATION)).cut(5)
    assert (text_of(cut, learned=False), len(cut.learned)) == ("s:be ", 5)


def sized(*lengths: int) -> tuple[Sequence, ...]:
    return tuple(Sequence([0] * length, [True] * length) for length in lengths)


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ([sized(4), sized(4), sized(4)], [2, 1]),
        ([sized(2), sized(8), sized(1)], [1, 1, 1]),
        ([sized(99), sized(1)], [1, 1]),
        ([sized(1, 2), sized(2, 1), sized(2, 2)], [2, 1]),
        ([], []),
    ],
)
def test_pieces_hold_what_memory_allows(batch: list[Any], expected: list[int]) -> None:
    made = list(pieces(batch, 8))
    assert [len(piece) for piece in made] == expected
    assert [example for piece in made for example in piece] == batch
