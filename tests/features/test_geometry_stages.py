from __future__ import annotations

import numpy as np
import torch

from cellprism.features.geometry_stages import ALIGNMENT, AXES, TRACKING
from cellprism.features.stages import ANNOTATE, CATALOG
from cellprism.runs.progress import Silent
from cellprism.sae.files import save
from cellprism.sae.topk import SparseAutoencoder

WIDTH, FEATURES = 12, 40


def test_stages_write_what_they_declare(planted) -> None:
    run = planted.run
    rng = np.random.default_rng(0)
    strong = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]
    for layer in run.layers:
        sae = SparseAutoencoder(WIDTH, FEATURES, 4)
        x = torch.from_numpy((rng.normal(size=(500, WIDTH)) * np.geomspace(9, 0.5, WIDTH)) @ strong).float()
        sae.initialise(x, torch.Generator().manual_seed(0))
        with torch.no_grad():
            sae.W_dec[3] = torch.from_numpy(strong[0]).float()
        save(sae, run.file("sae.safetensors", layer), {})
        run.file("residuals", layer).mkdir()
        for part, rows in (("train", x), ("held_out", x[:100])):
            np.save(run.file("residuals", layer) / f"{part}.npy", rows.to(torch.bfloat16).view(torch.int16).numpy())
    for stage in (CATALOG, ANNOTATE, AXES, ALIGNMENT):
        for layer in run.layers:
            stage.function(run, layer, Silent())
    TRACKING.function(run, None, Silent())
    for stage in (AXES, ALIGNMENT, TRACKING):
        for name in stage.outputs:
            for layer in run.layers:
                assert (run.path / name.replace("{layer}", f"layers/{layer:02d}")).exists()
    explained = run.read("explained", 0).set_index("method")["explained_variance"]
    assert explained["axes, the first 12"] > 0.999
    assert explained["axes, the largest of each position"] >= explained["axes, the first at all positions"]
    alignment = run.read("alignment", 1).set_index("feature")
    assert alignment.loc[3, "axis"] == 0
    assert alignment.loc[3, "cosine"] > 0.99
    chains = run.read("chains")
    assert run.read("rates", 1, suffix="_tracking").empty
    goes_on = run.read("rates", 0, suffix="_tracking").iloc[0]
    assert (chains["n_layers"] == 2).sum() == round(goes_on["value"] * goes_on["n"]) > 0
