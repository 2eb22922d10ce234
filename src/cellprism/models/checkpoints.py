"""Where a checkpoint is: a folder, the model that ships with the package, or a repository of the Hugging Face hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cellprism.errors import UserError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_LFS = b"version https://git-lfs"
_DICTIONARIES = ("token_dictionary", "gene_median_dictionary", "gene_name_id_dict", "ensembl_mapping_dict")


@dataclass(frozen=True)
class Checkpoint:
    """Files of a model.

    Attributes
    ----------
    folder
        Holds ``config.json`` and the weights.
    root
        Holds the dictionaries, at any depth: ``folder`` itself, or the repository that ``folder`` is part of.
    name
        Name for the manifest.
    commit
        Commit of the repository, if it came from the hub.
    """

    folder: Path
    root: Path
    name: str
    commit: str | None = None


def find_checkpoint(path: str, *, subfolder: str | None = None, revision: str | None = None) -> Checkpoint:
    """Find the checkpoint that ``model.path`` means; fetch it if it is a hub id and not in the hub's cache yet.

    Parameters
    ----------
    path
        A folder, ``demo``, or a hub id such as ``ctheodoris/Geneformer``. A folder of that name goes first.
    subfolder
        Folder of the checkpoint within ``path``, such as ``Geneformer-V2-316M``.
    revision
        Commit, tag or branch of the hub's repository.

    Raises
    ------
    UserError
        There is no such folder or repository, a folder is asked for a revision, or there is no way to the hub and no
        copy of all files.
    """
    if path == "demo":
        folder = Path(__file__).parent / "data" / "demo-pbmc"
        return Checkpoint(folder, folder, folder.name)
    root = Path(path)
    if root.is_dir() or not _HUB_ID.fullmatch(path):
        folder = root / (subfolder or "")
        if not (folder / "config.json").exists():
            msg = (
                f"no checkpoint in {folder}: `model.path` must be a folder with config.json and model.safetensors, or "
                "a hub id such as ctheodoris/Geneformer."
            )
            raise UserError(msg)
        if revision is not None:
            msg = (
                f"{path} is a folder here, and folders have no revisions: leave out `model.revision`, or rename the "
                "folder if you mean the hub's repository of that name."
            )
            raise UserError(msg)
        return Checkpoint(folder, root, folder.resolve().name)
    snapshot = _fetch(path, subfolder, revision)
    name = path if subfolder is None else f"{path}/{subfolder}"
    return Checkpoint(snapshot / (subfolder or ""), snapshot, name, snapshot.name)


def weight_files(folder: Path) -> list[Path]:
    """The weights in a folder: safetensors if there are any, else PyTorch's; empty if there are none."""
    return sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def why_unreadable(error: Exception, weights: list[Path]) -> str:
    """Why a library could not read files of weights, and what to do about it."""
    for path in weights:
        with path.open("rb") as handle:
            if handle.read(len(_LFS)) == _LFS:
                return f"{path.name} is a pointer of Git LFS, not the weights: get them with `git lfs pull`"
    if "Weights only load failed" in str(error):
        return (
            f"{', '.join(path.name for path in weights)} holds more than plain weights, and such files can run code: "
            "take the authors' own file, or its safetensors"
        )
    return f"{' '.join(str(error).split()).split('. ')[0][:200]}: copy its files again"


def _fetch(repository: str, subfolder: str | None, revision: str | None) -> Path:
    """The snapshot folder of the hub's cache, complete. What is there is not fetched again, and fetching resumes."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    inside = "" if subfolder is None else f"{subfolder.strip('/')}/"
    wanted = [f"{inside}config.json", f"{inside}model*.safetensors*", *(f"*{name}*.pkl" for name in _DICTIONARIES)]
    where = f"{repository} at {revision or 'its main revision'}"
    try:
        snapshot = Path(snapshot_download(repository, revision=revision, allow_patterns=wanted))
        if not weight_files(snapshot / inside):
            wanted = [f"{inside}pytorch_model*.bin*"]
            snapshot = Path(snapshot_download(repository, revision=revision, allow_patterns=wanted))
    except RevisionNotFoundError:
        msg = f"the hub's repository {repository} has no revision {revision!r}: correct `model.revision`."
        raise UserError(msg) from None
    except GatedRepoError:
        msg = f"the hub lets only accepted users read {repository}: ask there, then log in with `hf auth login`."
        raise UserError(msg) from None
    except RepositoryNotFoundError:
        msg = f"no folder {repository} here and no such repository on the hub: correct `model.path`."
        raise UserError(msg) from None
    except (LocalEntryNotFoundError, HTTPError) as error:
        msg = f"{where} is not whole in the hub's cache and cannot be fetched: {_by_hand(repository, subfolder)}."
        raise UserError(msg) from error
    if not ((snapshot / inside / "config.json").exists() and weight_files(snapshot / inside)):
        msg = f"{where} has no config.json with weights in {inside or 'its top folder'}: correct `model.subfolder`."
        raise UserError(msg)
    return snapshot


def _by_hand(repository: str, subfolder: str | None) -> str:
    """What to copy where on a machine without a network."""
    old = "V1" in (subfolder or "")
    folder, generation = ("geneformer/gene_dictionaries_30m", "gc30M") if old else ("geneformer", "gc104M")
    inside = f"{subfolder}/" if subfolder else ""
    files = [f"{inside}config.json", f"{inside}model.safetensors"]
    files += [f"{folder}/{name}_{generation}.pkl" for name in _DICTIONARIES]
    return (
        f"copy {', '.join(files)} of {repository} from a machine that has the network into a folder, under the same "
        "names, and give that folder as `model.path`"
    )
