"""What a caller may set, and what `auto` comes to."""

import math
from typing import Any

import pytest

from bailee.kernel.errors import InvalidInput
from bailee.ports.trainer import Hyperparameters, Method
from bailee.training.hyperparameters import decided, read_hyperparameters


@pytest.mark.parametrize(
    ("examples", "epochs", "batch"),
    [(10, 10, 1), (1, 25, 1), (33, 3, 1), (100, 3, 1), (640, 3, 8), (20_000, 1, 8)],
)
def test_auto_follows_from_the_number_of_examples(examples: int, epochs: int, batch: int) -> None:
    values = decided(read_hyperparameters(None, "supervised"), "supervised", examples)
    assert values == Hyperparameters(epochs, batch, 1.0, None)


def test_what_is_given_is_taken() -> None:
    given = {"n_epochs": 4, "batch_size": 2, "learning_rate_multiplier": 2, "beta": 0.5}
    values = decided(read_hyperparameters(given, "dpo"), "dpo", 10)
    assert values == Hyperparameters(4, 2, 2.0, 0.5)
    assert decided(read_hyperparameters({"beta": "auto"}, "dpo"), "dpo", 10).beta == 0.1


@pytest.mark.parametrize(
    ("given", "method", "field"),
    [
        ({"n_epochs": 0}, "supervised", "n_epochs"),
        ({"n_epochs": 51}, "supervised", "n_epochs"),
        ({"n_epochs": True}, "supervised", ""),
        ({"n_epochs": "many"}, "supervised", ""),
        ({"n_epochs": 10**400}, "supervised", "n_epochs"),
        ({"batch_size": 257}, "supervised", "batch_size"),
        ({"batch_size": -(10**400)}, "supervised", "batch_size"),
        ({"learning_rate_multiplier": 10**400}, "supervised", ""),
        ({"learning_rate_multiplier": math.nan}, "supervised", "learning_rate_multiplier"),
        ({"beta": math.inf}, "dpo", "beta"),
        ({"learning_rate_multiplier": 0}, "supervised", "learning_rate_multiplier"),
        ({"learning_rate_multiplier": -1.0}, "supervised", "learning_rate_multiplier"),
        ({"beta": 0.1}, "supervised", "beta"),
        ({"beta": 2.1}, "dpo", "beta"),
        ({"unknown": 1}, "dpo", ""),
    ],
)
def test_what_is_not_allowed_names_its_field(
    given: dict[str, Any], method: Method, field: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_hyperparameters(given, method)
    place = f"method.{method}.hyperparameters"
    assert raised.value.field == (f"{place}.{field}" if field else place)
    assert field in str(raised.value)
