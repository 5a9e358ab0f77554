"""What is minimised: cross entropy over learned tokens, or the loss of preference optimisation.

Sources: the LoRA and DPO papers (arXiv 2106.09685, 2305.18290, equation 7). Batches are padded on
the right. Only learned positions go through the output layer: it is the largest of a small model.
"""

from collections.abc import Sequence as Items
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from bailee.drivers.trainer_local.tokens import Sequence


class Measured(NamedTuple):
    """A batch's loss and how well it went."""

    loss: Any
    """Mean over `size`; a tensor that can be derived."""
    right: int
    """How many of `size` went right."""
    size: int
    """Tokens, or pairs."""


class Predicted(NamedTuple):
    """The model's log probabilities of the learned tokens of a batch, row after row."""

    chosen: Any
    right: Any
    rows: Any
    """Which row of the batch each belongs to."""


def predict(model: Any, batch: Items[Sequence], padding_id: int) -> Predicted:
    """Run the model over a batch."""
    longest = max(len(one.ids) for one in batch)
    ids = torch.full((len(batch), longest), padding_id, dtype=torch.long)
    attention = torch.zeros((len(batch), longest), dtype=torch.long)
    learned = torch.zeros((len(batch), longest), dtype=torch.bool)
    for row, one in enumerate(batch):
        size = len(one.ids)
        ids[row, :size] = torch.tensor(one.ids)
        attention[row, :size] = 1
        learned[row, :size] = torch.tensor(one.learned)
    # The first token of a sequence follows from nothing.
    learned = learned[:, 1:]
    causal = model.get_base_model()
    hidden = causal.model(input_ids=ids, attention_mask=attention, use_cache=False)
    logits = causal.lm_head(hidden.last_hidden_state[:, :-1][learned])
    targets = ids[:, 1:][learned]
    chosen = -functional.cross_entropy(logits, targets, reduction="none")
    rows = torch.arange(len(batch)).unsqueeze(1).expand_as(learned)[learned]
    return Predicted(chosen, logits.argmax(dim=-1) == targets, rows)


def supervised(model: Any, batch: Items[Sequence], padding_id: int) -> Measured:
    """Mean cross entropy over the batch's learned tokens."""
    predicted = predict(model, batch, padding_id)
    count = max(1, len(predicted.rows))
    return Measured(-predicted.chosen.sum() / count, int(predicted.right.sum()), count)


def preference(
    model: Any, batch: Items[tuple[Sequence, Sequence]], padding_id: int, beta: float
) -> Measured:
    """The loss of direct preference optimisation; the reference is the model without adapter."""
    both = [pair[0] for pair in batch] + [pair[1] for pair in batch]
    with torch.no_grad(), model.disable_adapter():
        reference = _by_row(predict(model, both, padding_id), len(both))
    gained = _by_row(predict(model, both, padding_id), len(both)) - reference
    preferred, rejected = gained[: len(batch)], gained[len(batch) :]
    loss = -functional.logsigmoid(beta * (preferred - rejected)).mean()
    return Measured(loss, int((preferred > rejected).sum()), len(batch))


def _by_row(predicted: Predicted, rows: int) -> Any:
    return torch.zeros(rows).index_add(0, predicted.rows, predicted.chosen)
