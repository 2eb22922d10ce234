"""The training step of an autoencoder against the dense step in autograd that the published code takes."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import torch

from cellprism.benchmarks import Row, best_seconds
from cellprism.models.processor import fastest_products
from cellprism.sae.metrics import explained_variance
from cellprism.sae.step import FastStep
from cellprism.sae.topk import SparseAutoencoder

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 4096
SIZES = {"demo": (128, 512, 16), "scGPT": (512, 2048, 32), "Geneformer 316M": (1152, 4608, 32)}
LEARNING_RATE = 3e-4
PACKAGES = {"SAELens": "sae-lens", "dictionary_learning": "dictionary-learning"}


def rows(quick: bool) -> list[Row]:
    """Steps at the widths of three models, peers that are installed, and a short training on real residuals."""
    sizes = dict(list(SIZES.items())[: 2 if quick else 3])
    repeats = 3 if quick else 5
    return [
        *(_step_row(name, *size, repeats=repeats) for name, size in sizes.items()),
        *_peer_rows(*list(sizes.values())[-1], repeats=repeats),
        _training_row(quick),
    ]


def dense_step(sae: SparseAutoencoder) -> Callable[[torch.Tensor], None]:
    """TopK by autograd with a dense code and dense products, default Adam, atoms brought to unit norm afterwards."""
    optimizer = torch.optim.Adam(sae.parameters(), lr=LEARNING_RATE)

    def step(x: torch.Tensor) -> None:
        normalised = sae.normalise(x)
        pre = torch.nn.functional.linear(normalised, sae.W_enc, sae.b_enc)
        value, index = pre.topk(sae.k, dim=-1)
        code = torch.zeros_like(pre).scatter(-1, index, value.relu())
        loss = torch.nn.functional.mse_loss(code @ sae.W_dec, normalised)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        sae.normalise_atoms()

    return step


def _step_row(name: str, d_model: int, n_features: int, k: int, *, repeats: int) -> Row:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(BATCH, d_model, generator=generator)
    dense, fast = _pair(x, n_features, k)
    slow_s, fast_s = _in_turns(dense_step(dense), FastStep(fast, LEARNING_RATE), x, repeats)
    chosen = f"features chosen in {fastest_products()}"
    shape = f"batch {BATCH}, d {d_model}, F {n_features}, k {k}"
    return Row(f"sae: step, width of {name}", shape, "dense float32 autograd, default Adam", slow_s, fast_s, chosen)


def _peer_rows(d_model: int, n_features: int, k: int, *, repeats: int) -> list[Row]:
    x = torch.randn(BATCH, d_model, generator=torch.Generator().manual_seed(0))
    found = []
    for name, make in {"SAELens": saelens_step, "dictionary_learning": dictionary_learning_step}.items():
        try:
            theirs = make(d_model, n_features, k)
        except ImportError:
            continue
        theirs_s, ours_s = _in_turns(theirs, FastStep(_pair(x, n_features, k)[0], LEARNING_RATE), x, repeats)
        shape = f"batch {BATCH}, d {d_model}, F {n_features}, k {k}"
        note = f"version {version(PACKAGES[name])}, its defaults"
        found.append(Row(f"sae: step of {name}", shape, f"{name}'s TopK step, float32", theirs_s, ours_s, note))
    return found


def saelens_step(d_model: int, n_features: int, k: int) -> Callable[[torch.Tensor], None]:
    """A step of SAELens' TopK trainer: its forward pass with losses, backward pass, clipping and Adam."""
    from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.saes.sae import TrainStepInput

    sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=d_model, d_sae=n_features, k=k, device="cpu"))
    optimizer = torch.optim.Adam(sae.parameters(), lr=LEARNING_RATE)

    def step(x: torch.Tensor) -> None:
        given = TrainStepInput(
            sae_in=x, coefficients={}, dead_neuron_mask=torch.zeros(n_features, dtype=torch.bool), n_training_steps=1,
            is_logging_step=False,
        )
        optimizer.zero_grad()
        sae.training_forward_pass(given).loss.backward()
        torch.nn.utils.clip_grad_norm_(sae.parameters(), 1.0)
        optimizer.step()

    return step


def dictionary_learning_step(d_model: int, n_features: int, k: int) -> Callable[[torch.Tensor], None]:
    """A step of dictionary_learning's TopK trainer after its first, which also looks for a median."""
    from dictionary_learning.trainers.top_k import TopKTrainer

    trainer = TopKTrainer(
        steps=10_000, activation_dim=d_model, dict_size=n_features, k=k, layer=0, lm_name="", lr=LEARNING_RATE,
        device="cpu",
    )
    return lambda x: trainer.update(1, x)


def _in_turns(slow: Callable[[torch.Tensor], None], fast: FastStep, x: torch.Tensor, repeats: int) -> list[float]:
    steps = (lambda: slow(x), lambda: fast(x, LEARNING_RATE))
    for step in steps:
        step()
    return best_seconds(steps, repeats=repeats)


def _training_row(quick: bool) -> Row:
    residuals, held_out = _demo_residuals()
    steps = 60 if quick else 300
    dense, fast = _pair(residuals, 512, 16)
    slow_step, fast_step = dense_step(dense), FastStep(fast, LEARNING_RATE)
    rng = np.random.default_rng(0)
    batches = [torch.from_numpy(rng.integers(0, len(residuals), BATCH)) for _ in range(steps)]

    def train(step: Callable[[torch.Tensor], object]) -> None:
        for batch in batches:
            step(residuals[batch])

    slow_s, fast_s = best_seconds(
        [lambda: train(slow_step), lambda: train(lambda x: fast_step(x, LEARNING_RATE))], repeats=1,
    )
    explained = [_explained(sae, held_out) for sae in (dense, fast)]
    return Row(
        "sae: training on residuals of the demo's model", f"{steps} steps, batch {BATCH}, d 128, F 512, k 16",
        "dense float32 autograd, default Adam", slow_s, fast_s,
        f"explained variance on held-out positions: {explained[0]:.4f} dense, {explained[1]:.4f} ours",
    )


def _explained(sae: SparseAutoencoder, x: torch.Tensor) -> float:
    with torch.inference_mode():
        return explained_variance(x, sae.decode(sae.encode(x)))


def _pair(x: torch.Tensor, n_features: int, k: int) -> list[SparseAutoencoder]:
    """Twice the same untrained autoencoder."""
    made = []
    for _ in range(2):
        sae = SparseAutoencoder(x.shape[1], n_features, k)
        sae.initialise(x, torch.Generator().manual_seed(1))
        made.append(sae)
    return made


def _demo_residuals() -> tuple[torch.Tensor, torch.Tensor]:
    """Residuals of layer 2 of the demo's model in the demo's cells; the last tenth of the cells is held out."""
    from cellprism.cells.expression import read_expression
    from cellprism.models import load_model
    from cellprism.sae.stages import layer_residuals

    model = load_model("demo", device="cpu")
    tokens = model.tokenize(read_expression("demo"))
    found = torch.zeros(len(tokens.gene), model.d_model)
    for positions, _, h in layer_residuals(model, tokens, np.arange(len(tokens)), layers=(2,), token_budget=8192):
        found[torch.from_numpy(positions)] = h.float()
    split = tokens.offsets[len(tokens) * 9 // 10]
    return found[:split], found[split:]
