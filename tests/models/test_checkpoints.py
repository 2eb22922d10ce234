from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cellprism.cells.expression import read_expression
from cellprism.errors import UserError
from cellprism.models import load_model
from cellprism.models.checkpoints import find_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HUB = runpy.run_path(str(Path(__file__).with_name("hub.py")))
NAME, PART, WEIGHTS = "lab/Toy", "Toy-V2-small", "Toy-V2-small/model.safetensors"
SCRIPT = """
import json, sys
import huggingface_hub.constants
huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE = 2**16  # less than the weights, which are smaller than real ones
from cellprism.errors import UserError
from cellprism.models.checkpoints import find_checkpoint
try:
    found = find_checkpoint(sys.argv[1], subfolder=sys.argv[2], revision=sys.argv[3] or None)
    print(json.dumps([str(found.folder), str(found.root), found.name, found.commit]))
except UserError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model laid out as Geneformer's repository is, with files that nobody needs."""
    root, demo = tmp_path_factory.mktemp("repository"), find_checkpoint("demo").folder
    for name in ("config.json", "model.safetensors"):
        (root / PART).mkdir(exist_ok=True)
        (root / PART / name).write_bytes((demo / name).read_bytes())
    (root / "geneformer").mkdir()
    for path in demo.glob("*.pkl"):
        (root / "geneformer" / f"{path.stem}_gc104M.pkl").write_bytes(path.read_bytes())
    for name in ("README.md", f"{PART}/training_args.bin", "Toy-V2-large.safetensors"):
        (root / name).write_text("not wanted")
    return root


@pytest.fixture
def hub(repository: Path) -> Iterator[Any]:
    server = HUB["Hub"](repository, NAME)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Any]:
    """Find a checkpoint in a new process, because the hub's library reads its settings when it is imported."""

    def call(
        address: str, *, name: str = NAME, part: str = PART, revision: str = "", offline: bool = False,
        kill_when: Callable[[], bool] | None = None,
    ) -> Any:
        env = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        env |= {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": str(int(offline))}
        env |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_CACHE": str(tmp_path / "hf" / "hub")}
        command = [sys.executable, "-c", SCRIPT, name, part, revision]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
            while kill_when is not None and not kill_when():
                time.sleep(0.05)
            if kill_when is not None:
                process.kill()
                return None
            out, _ = process.communicate(timeout=120)
        return json.loads(out)

    return call


def test_a_repository_is_fetched_once_and_serves_without_the_network(hub: Any, ask: Callable[..., Any]) -> None:
    first = ask(hub.address)
    folder, root, name, commit = first
    assert (name, commit) == (f"{NAME}/{PART}", HUB["COMMIT"])
    fetched = {path.relative_to(root).as_posix() for path in Path(root).rglob("*") if path.is_file()}
    assert fetched == {f"{PART}/config.json", WEIGHTS, *(
        f"geneformer/{kind}_gc104M.pkl" for kind in ("token_dictionary", "gene_median_dictionary", "gene_name_id_dict")
    )}
    model = load_model(root, subfolder=PART, device="cpu")
    assert model.describe()["dictionary"] == "token_dictionary_gc104M.pkl"
    assert model.n_layers == load_model("demo", device="cpu").n_layers
    asked = len(hub.asked)
    assert ask(hub.address, revision=HUB["COMMIT"]) == first
    assert len(hub.asked) == asked
    assert ask("http://127.0.0.1:9", offline=True) == first
    assert folder == str(Path(root) / PART)


def test_weights_of_pytorch_are_fetched_where_there_are_no_others(
    hub: Any, ask: Callable[..., Any], repository: Path, tmp_path: Path,
) -> None:
    shutil.copytree(repository, tmp_path / "old")
    (tmp_path / "old" / WEIGHTS).unlink()
    torch.save(load_file(repository / WEIGHTS), tmp_path / "old" / PART / "pytorch_model.bin")
    hub.files = tmp_path / "old"
    folder, root, _, _ = ask(hub.address)
    assert sorted(path.name for path in Path(folder).iterdir()) == ["config.json", "pytorch_model.bin"]
    ours, theirs = (load_model(str(path), subfolder=PART, device="cpu") for path in (root, repository))
    assert torch.equal(ours.embed(batch_of(ours)), theirs.embed(batch_of(theirs)))


def batch_of(model: Any) -> Any:
    return model.pad(model.tokenize(read_expression("demo").take(np.arange(2))), np.arange(2))


def test_a_repository_that_one_must_ask_for_says_so(hub: Any, ask: Callable[..., Any]) -> None:
    hub.gated = True
    assert "lets only accepted users read lab/Toy" in str(ask(hub.address))


def test_a_broken_transfer_goes_on_where_it_stopped(hub: Any, ask: Callable[..., Any], repository: Path) -> None:
    hub.cut = WEIGHTS
    root = ask(hub.address)[1]
    assert Path(root, WEIGHTS).read_bytes() == (repository / WEIGHTS).read_bytes()
    first, second = [asked for name, asked in hub.asked if name == WEIGHTS]
    assert not first
    assert int(second.removeprefix("bytes=").removesuffix("-")) > 0


def kill_half_way(hub: Any, ask: Callable[..., Any], folder: Path) -> Path:
    """Kill a process while it fetches the weights; gives the folder where it left what it had."""
    hub.stuck = WEIGHTS
    parts = folder / "hf" / "hub" / "models--lab--Toy" / "blobs"
    ask(hub.address, kill_when=lambda: any(part.stat().st_size > 0 for part in parts.glob("*.part")))
    return parts


def test_a_killed_process_goes_on_where_it_stopped(
    hub: Any, ask: Callable[..., Any], repository: Path, tmp_path: Path,
) -> None:
    parts = kill_half_way(hub, ask, tmp_path)
    fetched = next(parts.glob("*.part")).stat().st_size
    root = ask(hub.address)[1]
    assert Path(root, WEIGHTS).read_bytes() == (repository / WEIGHTS).read_bytes()
    assert [asked for name, asked in hub.asked if name == WEIGHTS] == ["", f"bytes={fetched}-"]
    assert not list(parts.glob("*.part"))


def test_a_damaged_transfer_is_noticed_and_begun_again(
    hub: Any, ask: Callable[..., Any], repository: Path, tmp_path: Path,
) -> None:
    parts = kill_half_way(hub, ask, tmp_path)
    with next(parts.glob("*.part")).open("r+b") as handle:
        handle.write(b"oops")
    assert "damaged: give the same command again" in ask(hub.address)
    assert Path(ask(hub.address)[1], WEIGHTS).read_bytes() == (repository / WEIGHTS).read_bytes()


def test_what_was_fetched_before_a_failure_is_not_fetched_again(hub: Any, ask: Callable[..., Any]) -> None:
    hub.down = WEIGHTS
    assert "cannot be fetched" in ask(hub.address)
    assert "not whole" in ask(hub.address, offline=True)
    hub.down = ""
    assert len(ask(hub.address)) == 4
    assert len(hub.asked) == len({name for name, _ in hub.asked}) == 5


def test_without_network_and_copy_the_files_are_named(ask: Callable[..., Any]) -> None:
    for address, offline in (("http://127.0.0.1:9", False), ("https://hub.invalid", True)):
        message = str(ask(address, name="ctheodoris/Geneformer", part="Geneformer-V2-316M", offline=offline))
        for word in (
            "Geneformer-V2-316M/config.json", "Geneformer-V2-316M/model.safetensors", "`model.path`",
            "geneformer/token_dictionary_gc104M.pkl", "geneformer/gene_median_dictionary_gc104M.pkl",
            "geneformer/gene_name_id_dict_gc104M.pkl", "geneformer/ensembl_mapping_dict_gc104M.pkl",
        ):
            assert word in message


def test_what_the_hub_does_not_have_is_named(hub: Any, ask: Callable[..., Any]) -> None:
    address = hub.address
    assert "`model.revision`" in str(ask(address, revision="v9"))
    assert "no such repository" in str(ask(address, name="lab/Other"))
    assert "`model.subfolder`" in str(ask(address, part="Toy-V3"))


def test_a_local_copy_of_the_repository_will_do(repository: Path) -> None:
    found = find_checkpoint(str(repository), subfolder=PART)
    assert (found.folder, found.root, found.commit) == (repository / PART, repository, None)
    with pytest.raises(UserError, match=r"no checkpoint in .*config\.json"):
        find_checkpoint(str(repository))
    with pytest.raises(UserError, match=r"folders have no revisions: leave out `model\.revision`"):
        find_checkpoint(str(repository), subfolder=PART, revision="v1")
