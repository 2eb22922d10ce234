"""Foundation models, found by the entry point ``cellprism.models``."""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from cellprism.errors import UserError

if TYPE_CHECKING:
    from cellprism.models.base import CellModel
    from cellprism.runs.config import ModelConfig


def load_model(
    path: str, *, kind: str = "geneformer", device: str = "auto", dtype: str = "auto",
    dictionaries: str | None = None, subfolder: str | None = None, revision: str | None = None,
    protocol: str = "calibrated",
) -> CellModel:
    """Load a model.

    Parameters
    ----------
    path
        Checkpoint folder, hub id, or ``"demo"``.
    kind
        Name of an entry point of the group ``cellprism.models``: a function that takes the path, the keyword
        ``device`` and those of the keywords below that mean something to it, and returns a `CellModel`.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    dtype
        ``auto``, ``float32`` or ``bfloat16``; see `cellprism.models.base.pick_dtype`.
    dictionaries
        Folder of the model's dictionaries if they are not with the weights.
    subfolder
        Folder of the checkpoint within ``path``.
    revision
        Commit, tag or branch if ``path`` is a hub id.
    protocol
        ``calibrated``: the input that the model was trained on; ``published``: what the papers fed it.

    Raises
    ------
    UserError
        The kind is unknown or has no use for one of the keywords, or the checkpoint is not as it should be.
    """
    from cellprism.models.base import pick_device

    readers = {point.name: point for point in entry_points(group="cellprism.models")}
    if kind not in readers:
        msg = f"unknown model kind {kind!r}: installed are {', '.join(sorted(readers))}."
        raise UserError(msg)
    try:
        read = readers[kind].load()
    except Exception as error:  # another package's code can raise anything
        msg = f"the reader of models {readers[kind].value!r} cannot be imported ({error}): install its package again."
        raise UserError(msg) from error
    given = {
        "dtype": dtype, "dictionaries": dictionaries, "subfolder": subfolder, "revision": revision,
        "protocol": protocol,
    }
    options = {name: value for name, value in given.items() if value not in {None, "auto", "calibrated"}}
    for name in options.keys() - inspect.signature(read).parameters.keys():
        msg = f"models of the kind {kind!r} have no use for `model.{name}: {options[name]}`: leave it out."
        raise UserError(msg)
    model: CellModel = read(path, device=pick_device(device), **options)
    return model


def configured_model(config: ModelConfig) -> CellModel:
    """The model that a run's configuration names."""
    return load_model(
        config.path, kind=config.kind, device=config.device, dtype=config.dtype, dictionaries=config.dictionaries,
        subfolder=config.subfolder, revision=config.revision, protocol=config.protocol,
    )
