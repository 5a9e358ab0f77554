"""The embedded classifier is no worse than its page says, and comes from the examples beside it."""

import re
from pathlib import Path

import msgspec
import numpy
import pytest
from tools.train_moderation import HEADS, MODEL, measure, read_examples, read_held_out, train

from bailee.drivers.classifier_embedded.heads import HeadsFile
from bailee.ports.classifier import CATEGORIES

PAGE = Path(__file__).parents[3] / "docs" / "operating" / "moderation.md"
_ROW = re.compile(r"^\| `([a-z/-]+)` \| (\d+) \| ([\d.]+) \| ([\d.]+) \|", re.MULTILINE)


def test_it_is_as_good_as_the_page_says() -> None:
    """Another processor rounds otherwise: a sentence or two may fall on the other side."""
    rows, whole = measure()
    page = {name: (int(n), float(p), float(r)) for name, n, p, r in _ROW.findall(PAGE.read_text())}
    assert set(page) == {*CATEGORIES, "flagged"}
    for measured in (*rows, whole):
        sentences, precision, recall = page[measured.category]
        assert measured.harmful == sentences
        slack = 1.5 / measured.harmful
        assert measured.precision == pytest.approx(precision, abs=slack), measured
        assert measured.recall == pytest.approx(recall, abs=slack), measured


def test_nothing_is_measured_that_was_trained_on() -> None:
    trained = {example.text for example in read_examples()}
    assert len(trained) > 1500
    assert not trained & {example.text for example in read_held_out()}
    for category in CATEGORIES:
        for language in ("en", "ko"):
            assert sum(category in e.labels and e.language == language for e in read_held_out()) > 3


@pytest.mark.soak
def test_the_examples_give_the_heads() -> None:
    kept, made = msgspec.json.decode(HEADS.read_bytes(), type=HeadsFile), train()
    assert (kept.model, kept.embedder_sha256) == (MODEL, made.embedder_sha256)
    for category in CATEGORIES:
        known, again = kept.heads[category], made.heads[category]
        assert numpy.allclose(known.weights, again.weights, atol=0.05), category
        assert known.bias == pytest.approx(again.bias, abs=0.2), category
