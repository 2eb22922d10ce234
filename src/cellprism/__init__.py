"""cellprism: what does a single-cell foundation model know?"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cellprism._version import __version__

if TYPE_CHECKING:
    from cellprism import atlas
    from cellprism.errors import UserError
    from cellprism.features.annotate import annotate
    from cellprism.models import load_model
    from cellprism.reader import open_run
    from cellprism.sae.topk import SparseAutoencoder

_PUBLIC = {
    "SparseAutoencoder": ("cellprism.sae.topk", "SparseAutoencoder"),
    "UserError": ("cellprism.errors", "UserError"),
    "annotate": ("cellprism.features.annotate", "annotate"),
    "atlas": ("cellprism.atlas", None),
    "load_model": ("cellprism.models", "load_model"),
    "open_run": ("cellprism.reader", "open_run"),
}

__all__ = ["SparseAutoencoder", "UserError", "__version__", "annotate", "atlas", "load_model", "open_run"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the command line must answer before torch is needed."""
    if name not in _PUBLIC:
        msg = f"module 'cellprism' has no attribute {name!r}"
        raise AttributeError(msg)
    module, attribute = _PUBLIC[name]
    value = import_module(module)
    return value if attribute is None else getattr(value, attribute)
