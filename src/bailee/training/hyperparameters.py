"""Hyper-parameters as a caller gives them, and what `auto` comes to for a file.

Limits are OpenAI's. `auto` aims at a hundred examples read in all for a small file and at fewer
epochs for a large one; the same file always gets the same values.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from bailee.kernel.errors import InvalidInput
from bailee.ports.trainer import Hyperparameters, Method

AUTO: Final = "auto"
_EPOCHS: Final = (1, 50)
_BATCH: Final = (1, 256)
_LARGEST_MULTIPLIER: Final = 100.0
_LARGEST_BETA: Final = 2.0
_USUAL_EPOCHS: Final = 3
_FEW: Final = 100
_MANY: Final = 25_000
_MOST_AUTO_EPOCHS: Final = 25
_EXAMPLES_PER_BATCH_PLACE: Final = 64
_LARGEST_AUTO_BATCH: Final = 8
_AUTO_BETA: Final = 0.1

Auto = Literal["auto"]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a caller may set, in `method.{type}.hyperparameters`."""

    n_epochs: int | Auto = AUTO
    batch_size: int | Auto = AUTO
    learning_rate_multiplier: float | Auto = AUTO
    beta: float | Auto = AUTO


def read_hyperparameters(given: Mapping[str, Any] | None, method: Method) -> Asked:
    """Check what a caller gave. Raises InvalidInput, naming the field."""
    place = f"method.{method}.hyperparameters"
    try:
        asked = msgspec.convert(dict(given or {}), Asked)
    except msgspec.ValidationError:
        raise InvalidInput(
            f"{place} has n_epochs and batch_size as whole numbers, learning_rate_multiplier "
            'as a number, beta as a number for dpo, each of them or "auto"; correct it',
            field=place,
        ) from None
    if method == "supervised" and asked.beta != AUTO:
        raise InvalidInput("beta is for dpo; leave it out", field=f"{place}.beta")
    _within(asked.n_epochs, *_EPOCHS, f"{place}.n_epochs")
    _within(asked.batch_size, *_BATCH, f"{place}.batch_size")
    multiplier = asked.learning_rate_multiplier
    _within(multiplier, 0.0, _LARGEST_MULTIPLIER, f"{place}.learning_rate_multiplier")
    _within(asked.beta, 0.0, _LARGEST_BETA, f"{place}.beta")
    return asked


def decided(asked: Asked, method: Method, examples: int) -> Hyperparameters:
    """Put values in the place of `auto`, for a file of so many examples."""
    multiplier = asked.learning_rate_multiplier
    beta = None
    if method == "dpo":
        beta = _AUTO_BETA if asked.beta == AUTO else float(asked.beta)
    return Hyperparameters(
        n_epochs=_auto_epochs(examples) if asked.n_epochs == AUTO else int(asked.n_epochs),
        batch_size=_auto_batch(examples) if asked.batch_size == AUTO else int(asked.batch_size),
        learning_rate_multiplier=1.0 if multiplier == AUTO else float(multiplier),
        beta=beta,
    )


def _auto_epochs(examples: int) -> int:
    if examples * _USUAL_EPOCHS < _FEW:
        return max(_USUAL_EPOCHS, min(_MOST_AUTO_EPOCHS, _FEW // max(1, examples)))
    if examples * _USUAL_EPOCHS > _MANY:
        return max(1, _MANY // examples)
    return _USUAL_EPOCHS


def _auto_batch(examples: int) -> int:
    return max(1, min(_LARGEST_AUTO_BATCH, examples // _EXAMPLES_PER_BATCH_PLACE))


def _within(value: float | Auto, low: float, high: float, field: str) -> None:
    if isinstance(value, str):
        return
    # A whole number may be its lower limit; a rate of nothing would learn nothing. Numbers are
    # compared as they came: a whole one may be too long for a float.
    least = low <= value if isinstance(value, int) and low else low < value
    if not (least and value <= high):
        more = "from" if low else "more than"
        name = field.rpartition(".")[2]
        raise InvalidInput(f"{name} must be {more} {low:g} to {high:g}; correct it", field=field)
