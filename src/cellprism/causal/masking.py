"""Hide genes from a model the way it was trained, and ask it what they were."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from cellprism.errors import UserError

if TYPE_CHECKING:
    from cellprism.models.base import Batch, CellModel

MASKED_SHARE = 0.15
"""Share of a cell's genes that are hidden at a time, at most, as in the training of masked models."""
ROWS = 2048
"""Positions whose logits over the vocabulary are held at a time."""


@dataclass(frozen=True)
class Answers:
    """What a model says at N positions, each of shape ``(N,)``, float32.

    Attributes
    ----------
    score
        The larger, the more the model expects the gene that is there: the log-probability of its token, in nats; of a
        model of values the expression that it predicts.
    raw
        The same before the softmax: the logit; of a model of values again the expression.
    loss
        Cross-entropy, in nats; of a model of values the squared error of the expression.
    hit
        1 where the token has the largest logit, else 0; NaN for a model of values.
    """

    score: torch.Tensor
    raw: torch.Tensor
    loss: torch.Tensor
    hit: torch.Tensor


def reads_values(model: CellModel) -> bool:
    """Whether the model hides a gene's value; false where it hides the gene.

    Raises
    ------
    UserError
        The model can do neither.
    """
    if "<mask>" in model.vocabulary:
        return False
    if model.mask_value is None:
        name = model.describe().get("name", "the model")
        msg = f"{name} has neither a mask token nor a mask value, so that no gene can be hidden: take another model."
        raise UserError(msg)
    return True


def hide(model: CellModel, batch: Batch, places: torch.Tensor) -> Batch:
    """The batch with the genes at ``places (B, T)`` hidden: a mask token, or for a model of values the mask value."""
    if reads_values(model):
        assert batch.values is not None
        return replace(batch, values=batch.values.masked_fill(places, model.mask_value))  # type: ignore[arg-type]
    return replace(batch, tokens=batch.tokens.masked_fill(places, model.vocabulary["<mask>"]))


def answers(model: CellModel, h: torch.Tensor, batch: Batch, truth: Batch, at: torch.Tensor) -> Answers:
    """What the model says of the genes that were hidden.

    Parameters
    ----------
    h
        Output of the last block at N positions, shape ``(N, d_model)``.
    batch
        The batch that the model saw.
    truth
        The batch before anything was hidden.
    at
        Row and place of the positions in the batch, shape ``(N, 2)``.
    """
    row, place = at[:, 0], at[:, 1]
    parts = []
    for start in range(0, len(h), ROWS):
        here = slice(start, start + ROWS)
        said = model.readout(h[here], batch).float()
        if reads_values(model):
            assert truth.values is not None
            error = said - truth.values[row[here], place[here]]
            parts.append(torch.stack([said, said, error.square(), torch.full_like(said, torch.nan)]))
        else:
            token = truth.tokens[row[here], place[here]][:, None]
            logit = said.gather(1, token)[:, 0]
            score = logit - said.logsumexp(dim=1)
            parts.append(torch.stack([score, logit, -score, (said.argmax(dim=1) == token[:, 0]).float()]))
    return Answers(*(torch.cat(parts, dim=1) if parts else h.new_zeros(4, 0)))
