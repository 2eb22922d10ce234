"""Geneformer's pickled dictionaries, read by an unpickler that can build plain data and nothing else."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.cells.rank_tokens import GeneVocabulary
from cellprism.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

_SCALAR = np.array(0)[()].__reduce__()[0]
_ALLOWED = {
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "scalar"): _SCALAR,
    ("numpy._core.multiarray", "scalar"): _SCALAR,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        msg = f"it asks for {module}.{name}"
        raise pickle.UnpicklingError(msg)


def read_dictionary(path: Path) -> dict[str, Any]:
    """Read a pickled dict of strings and numbers.

    Raises
    ------
    UserError
        The file is missing, damaged, not a dict, or holds objects other than plain containers and numpy scalars.
    """
    try:
        with path.open("rb") as handle:
            value = _PlainUnpickler(handle).load()
    except FileNotFoundError:
        msg = f"no dictionary {path}: copy Geneformer's dictionary files beside the checkpoint."
        raise UserError(msg) from None
    except Exception as error:  # a damaged or hostile file can raise anything
        msg = f"{path} is not a plain dictionary ({error}): use Geneformer's own file."
        raise UserError(msg) from error
    if not isinstance(value, dict):
        msg = f"{path} holds a {type(value).__name__}, not a dictionary: use Geneformer's own file."
        raise UserError(msg)
    return value


def find_vocabulary(folder: Path, vocab_size: int) -> GeneVocabulary:
    """Read the dictionaries in or below ``folder`` whose token dictionary has ``vocab_size`` entries.

    The files are named as Geneformer names them: ``token_dictionary*.pkl``, ``gene_median_dictionary*.pkl``,
    ``gene_name_id_dict*.pkl`` and, if there, ``ensembl_mapping_dict*.pkl``, with one suffix for one generation.
    """
    sizes = {}
    for path in sorted(folder.rglob("token_dictionary*.pkl")):
        tokens = {str(key): int(value) for key, value in read_dictionary(path).items()}
        sizes[path.name] = len(tokens)
        if len(tokens) == vocab_size:
            suffix = path.name.removeprefix("token_dictionary")
            medians = read_dictionary(path.with_name(f"gene_median_dictionary{suffix}"))
            return GeneVocabulary(
                tokens=tokens,
                medians={str(key): float(value) for key, value in medians.items()},
                aliases=_aliases(path.parent, suffix),
                symbols=_symbols(path.parent, suffix),
                name=path.name,
            )
    found = ", ".join(f"{name} with {n}" for name, n in sizes.items()) or "none"
    msg = (
        f"no token dictionary with the checkpoint's {vocab_size} entries in {folder} (found: {found}): copy "
        "Geneformer's dictionary files of the same generation there."
    )
    raise UserError(msg)


def _aliases(folder: Path, suffix: str) -> dict[str, str]:
    aliases: dict[str, str] = {}
    for name in ("ensembl_mapping_dict", "gene_name_id_dict"):
        path = folder / f"{name}{suffix}"
        if name == "gene_name_id_dict" or path.exists():
            aliases.update({str(key).upper(): str(value) for key, value in read_dictionary(path).items()})
    return aliases


def _symbols(folder: Path, suffix: str) -> dict[str, str]:
    """Identifier to its first name."""
    symbols: dict[str, str] = {}
    for name, identifier in read_dictionary(folder / f"gene_name_id_dict{suffix}").items():
        symbols.setdefault(str(identifier), str(name))
    return symbols
