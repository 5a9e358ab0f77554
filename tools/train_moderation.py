"""Trains and measures the heads of the embedded moderation classifier.

    python tools/train_moderation.py            # writes heads.json
    python tools/train_moderation.py measure    # precision and recall on what was held out

The examples are `tools/moderation/examples.toml`; what is measured on is `held_out.toml` beside it.
One logistic regression for each category, with a ridge, fitted by Newton's method to convergence:
the same machine gives the same file. Thresholds come from cross-validation over the patterns of
the examples, never from what is held out.
"""

import itertools
import sys
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from bailee.drivers.classifier_embedded.heads import (
    FILE,
    FLAGGED_FROM,
    Head,
    HeadsFile,
    packaged_heads,
)
from bailee.drivers.embedder_e5 import DIMENSIONS, WEIGHTS_SHA256, E5Embedder
from bailee.ports.classifier import CATEGORIES
from bailee.ports.embedder import Role

ROOT: Final = Path(__file__).parents[1]
EXAMPLES: Final = ROOT / "tools" / "moderation" / "examples.toml"
HELD_OUT: Final = ROOT / "tools" / "moderation" / "held_out.toml"
HEADS: Final = ROOT / "src" / "bailee" / "drivers" / "classifier_embedded" / FILE
MODEL: Final = "bailee-moderation-1"
LANGUAGES: Final = ("en", "ko")
RIDGE: Final = 0.03
FOLDS: Final = 5
POSITIVE_WEIGHT: Final = 2.0
BETA: Final = 0.7
_DIGITS: Final = 4

Matrix = np.ndarray[Any, np.dtype[np.float64]]


class Example(NamedTuple):
    """One sentence."""

    text: str
    language: str
    labels: frozenset[str]
    pattern: int
    """Sentences of one pattern are never split between training and validation."""


class Measured(NamedTuple):
    """How one category does."""

    category: str
    harmful: int
    """Sentences of that category."""
    found: int
    """Those of them that were flagged for it."""
    false: int
    """Sentences flagged for it that are of another category or harmless."""

    @property
    def precision(self) -> float:
        """The share of what was flagged that is right."""
        flagged = self.found + self.false
        return self.found / flagged if flagged else 1.0

    @property
    def recall(self) -> float:
        """The share of what is harmful that was flagged."""
        return self.found / self.harmful if self.harmful else 1.0


def read_examples(path: Path = EXAMPLES) -> list[Example]:
    """The sentences that the patterns give, in order."""
    document = tomllib.loads(path.read_text("utf-8"))
    found: list[Example] = []
    number = 0
    for block in document["patterns"]:
        labels = frozenset(block["labels"])
        for language in LANGUAGES:
            slots = document["slots"][language]
            for pattern in block[language]:
                number += 1
                texts = expanded(pattern, slots, document["most"], number)
                found.extend(Example(text, language, labels, number) for text in texts)
    return found


def expanded(pattern: str, slots: dict[str, list[str]], most: int, turn: int) -> list[str]:
    """The sentences of one pattern, at most `most`; `turn` says with which values they begin."""
    named = [name for name in slots if "{" + name + "}" in pattern]
    if not named:
        return [pattern]
    values = [slots[name][turn % len(slots[name]) :] + slots[name][: turn % len(slots[name])]
              for name in named]  # fmt: skip
    rows = itertools.islice(zip(*(itertools.cycle(column) for column in values), strict=True), most)
    return [pattern.format(**dict(zip(named, row, strict=True))) for row in rows]


def read_held_out(path: Path = HELD_OUT) -> list[Example]:
    """The sentences to measure on."""
    document = tomllib.loads(path.read_text("utf-8"))
    return [
        Example(text, language, frozenset(block["labels"]), 0)
        for block in document["sentences"]
        for language in LANGUAGES
        for text in block[language]
    ]


def vectors_of(examples: list[Example]) -> list[bytes]:
    """The vectors of the sentences."""
    embedder = E5Embedder()
    return [embedder.embed([example.text], Role.QUERY)[0] for example in examples]


def as_matrix(vectors: list[bytes]) -> Matrix:
    """Vectors as rows."""
    rows: Matrix = np.frombuffer(b"".join(vectors), dtype="<f4").reshape(-1, DIMENSIONS)
    return rows.astype(np.float64)


def fit(rows: Matrix, wanted: Matrix, weights: Matrix) -> tuple[Matrix, float]:
    """A logistic regression with a ridge: weights and bias."""
    mean = rows.mean(axis=0)
    centred = np.hstack([rows - mean, np.ones((len(rows), 1))])
    found = np.zeros(centred.shape[1])
    ridge = np.full(centred.shape[1], RIDGE)
    ridge[-1] = 1e-6
    for _ in range(50):
        chances = 1.0 / (1.0 + np.exp(-centred @ found))
        slope = centred.T @ (weights * (chances - wanted)) + ridge * found
        curve = (centred.T * (weights * chances * (1.0 - chances))) @ centred + np.diag(ridge)
        step = np.linalg.solve(curve, slope)
        found -= step
        if np.abs(step).max() < 1e-7:
            break
    return found[:-1], float(found[-1] - mean @ found[:-1])


def train() -> HeadsFile:
    """The heads, fitted to the examples."""
    examples = read_examples()
    rows = as_matrix(vectors_of(examples))
    per_pattern = np.bincount([example.pattern for example in examples])
    # A pattern with many sentences says hardly more than one with a single one.
    evenly = np.array([per_pattern[example.pattern] ** -0.5 for example in examples])
    folds = np.array([example.pattern % FOLDS for example in examples])
    heads = {}
    for category in CATEGORIES:
        wanted = np.array([float(category in example.labels) for example in examples])
        weights = evenly * np.where(wanted > 0, POSITIVE_WEIGHT, 1.0)
        scores = np.zeros(len(examples))
        for fold in range(FOLDS):
            kept = folds != fold
            head, bias = fit(rows[kept], wanted[kept], weights[kept])
            scores[~kept] = rows[~kept] @ head + bias
        head, bias = fit(rows, wanted, weights)
        # The threshold moves into the bias: `FLAGGED_FROM` is the same for all.
        bias -= best_threshold(scores, wanted, evenly)
        heads[category] = Head(
            bias=round(bias, _DIGITS),
            weights=[round(float(weight), _DIGITS) for weight in head],
        )
    return HeadsFile(MODEL, WEIGHTS_SHA256, DIMENSIONS, heads)


def best_threshold(scores: Matrix, wanted: Matrix, weights: Matrix) -> float:
    """The logit from which on to flag: the best F over what was not trained on.

    Precision counts for more than recall: nearly everything that is sent is harmless.
    """
    best, threshold = -1.0, 0.0
    for candidate in np.arange(-4.0, 4.01, 0.1):
        flagged = scores >= candidate
        right = float((weights * flagged * wanted).sum())
        beta2 = BETA**2
        found, there = float((weights * flagged).sum()), float((weights * wanted).sum())
        score = (1 + beta2) * right / (found + beta2 * there)
        if score > best:
            best, threshold = score, float(candidate)
    return threshold


def measure(language: str | None = None) -> tuple[list[Measured], Measured]:
    """Each category on what was held out, and `flagged` as a whole; of one language or all."""
    examples = [e for e in read_held_out() if language in (None, e.language)]
    heads = packaged_heads(WEIGHTS_SHA256)
    rows = [heads.scores([vector]) for vector in vectors_of(examples)]
    measured = []
    for category in CATEGORIES:
        flags = [row[category] >= FLAGGED_FROM for row in rows]
        wanted = [category in example.labels for example in examples]
        measured.append(_measured(category, flags, wanted))
    flags = [any(score >= FLAGGED_FROM for score in row.values()) for row in rows]
    return measured, _measured("flagged", flags, [bool(example.labels) for example in examples])


def _measured(category: str, flags: list[bool], wanted: list[bool]) -> Measured:
    pairs = list(zip(flags, wanted, strict=True))
    return Measured(
        category,
        sum(wanted),
        sum(flag and want for flag, want in pairs),
        sum(flag and not want for flag, want in pairs),
    )


def table() -> str:
    """What was measured, as a table of Markdown."""
    lines = [
        "| category | sentences | precision | recall | English | Korean |",
        "|---|---|---|---|---|---|",
    ]
    of_all, of_english, of_korean = (
        [*rows, whole] for rows, whole in (measure(), measure("en"), measure("ko"))
    )
    for one, english, korean in zip(of_all, of_english, of_korean, strict=True):
        each = (f"{part.precision:.2f} / {part.recall:.2f}" for part in (english, korean))
        lines.append(
            f"| `{one.category}` | {one.harmful} | {one.precision:.2f} | {one.recall:.2f} | "
            + " | ".join(each)
            + " |"
        )
    harmless = sum(not example.labels for example in read_held_out())
    lines.append(f"\nHarmless sentences: {harmless}, flagged {of_all[-1].false}.")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Train, or measure."""
    if arguments == ["measure"]:
        print(table())
        return 0
    if arguments:
        print(__doc__)
        return 2
    HEADS.write_bytes(msgspec.json.format(msgspec.json.encode(train()), indent=0) + b"\n")
    print(f"wrote {HEADS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
