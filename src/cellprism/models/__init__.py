"""Foundation models, found by the entry point ``cellprism.models``."""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from cellprism.errors import UserError

if TYPE_CHECKING:
    from cellprism.models.base import CellModel


def load_model(
    path: str, *, kind: str = "geneformer", device: str = "auto", dictionaries: str | None = None,
    protocol: str = "calibrated",
) -> CellModel:
    """Load a model.

    Parameters
    ----------
    path
        Checkpoint folder, or ``"demo"``.
    kind
        Name of an entry point of the group ``cellprism.models``: a function that takes the path and the keywords
        ``device`` and ``dictionaries`` and returns a `CellModel`. A reader that can also feed cells as the papers did
        takes the keyword ``protocol`` as well; it is given only if it is not ``"calibrated"``.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    dictionaries
        Folder of the model's dictionaries if they are not beside the weights.
    protocol
        ``calibrated``: the input that the model was trained on; ``published``: what the papers fed it.

    Raises
    ------
    UserError
        The kind is unknown or does not know the protocol, or the checkpoint is not as it should be.
    """
    from cellprism.models.base import pick_device

    readers = {point.name: point for point in entry_points(group="cellprism.models")}
    if kind not in readers:
        msg = f"unknown model kind {kind!r}: installed are {', '.join(sorted(readers))}."
        raise UserError(msg)
    read = readers[kind].load()
    options = {} if protocol == "calibrated" else {"protocol": protocol}
    if not options.keys() <= inspect.signature(read).parameters.keys():
        msg = f"models of the kind {kind!r} have no protocol {protocol!r}: set `model.protocol` to calibrated."
        raise UserError(msg)
    model: CellModel = read(path, device=pick_device(device), dictionaries=dictionaries, **options)
    return model
