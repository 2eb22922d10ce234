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

    Raises
    ------
    UserError
        There is no such folder, none of that size or several that differ, or one is damaged.
    """
    if not folder.is_dir():
        msg = f"no folder {folder}: give the folder of Geneformer's dictionary files as `model.dictionaries`."
        raise UserError(msg)
    sizes, fitting = {}, {}
    for path in sorted(folder.rglob("token_dictionary*.pkl")):
        tokens = read_dictionary(path)
        sizes[path.name] = len(tokens)
        if len(tokens) == vocab_size:
            fitting[path] = (_tokens(path, tokens), _medians(path, tokens))
    if not fitting:
        found = ", ".join(f"{name} with {n}" for name, n in sizes.items()) or "none"
        msg = (
            f"no token dictionary with the checkpoint's {vocab_size} entries in {folder} (found: {found}): copy "
            "Geneformer's dictionary files of the same generation there, or name their folder as `model.dictionaries`."
        )
        raise UserError(msg)
    path, (known, medians) = next(iter(fitting.items()))
    unlike = [other for other, dictionaries in fitting.items() if dictionaries != (known, medians)]
    if unlike:
        msg = (
            f"{path} and {unlike[0]} differ and both have the checkpoint's {vocab_size} entries: copy the dictionary "
            "files that the checkpoint was trained with into a folder, and name it as `model.dictionaries`."
        )
        raise UserError(msg)
    suffix = path.name.removeprefix("token_dictionary")
    return GeneVocabulary(
        tokens=known, medians=medians, aliases=_aliases(path.parent, suffix), symbols=_symbols(path.parent, suffix),
        name=path.name,
    )


def _tokens(path: Path, read: dict[str, Any]) -> dict[str, int]:
    """Names to tokens: each number below their count once, ``<pad>`` and ``<mask>`` among them."""
    plain = all(isinstance(value, int | np.integer) for value in read.values())
    faults = [f"it has no {name}" for name in ("<pad>", "<mask>") if name not in read]
    if not plain or {int(value) for value in read.values()} != set(range(len(read))):
        faults.append("its numbers have gaps or repeat")
    if faults:
        msg = f"{path} is not Geneformer's token dictionary ({faults[0]}): use Geneformer's own file."
        raise UserError(msg)
    return {str(name): int(value) for name, value in read.items()}


def _medians(path: Path, tokens: dict[str, Any]) -> dict[str, float]:
    """Medians of the genes of the token dictionary at ``path``; they are divisors."""
    own = path.with_name(f"gene_median_dictionary{path.name.removeprefix('token_dictionary')}")
    medians = {str(name): value for name, value in read_dictionary(own).items()}
    wrong = [name for name in tokens if name in medians and not _is_divisor(medians[name])]
    if wrong:
        msg = f"{own} has no number above 0 for {wrong[0]} ({medians[wrong[0]]!r}): use Geneformer's own file."
        raise UserError(msg)
    return {name: float(medians[name]) for name in tokens if name in medians}


def _is_divisor(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and bool(0 < value < np.inf)


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
