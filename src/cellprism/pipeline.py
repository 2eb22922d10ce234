"""The stages of a run in order: its table of contents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cellprism.codes.stages import ENCODE
from cellprism.compare.controls import control_table, create_controls
from cellprism.features.context_stages import HIGHWAYS, VARIANCE, run_layer_pairs
from cellprism.features.geometry_stages import ALIGNMENT, AXES, TRACKING, UNLABELLED
from cellprism.features.rank_stage import RANK_ANNOTATE
from cellprism.features.residual_shares import RESIDUAL_SHARES
from cellprism.features.stability_stage import STABILITY
from cellprism.features.stages import ANNOTATE, CATALOG, CELLTYPES, LAYOUT, MODULES, NEIGHBOURS, STRING_DENSITY
from cellprism.models.stages import TOKENIZE
from cellprism.plan import check_fit
from cellprism.runs.directory import Run, check_target, create
from cellprism.runs.lock import exclusive
from cellprism.runs.progress import Silent
from cellprism.runs.stage import run_stages
from cellprism.sae.fidelity import FIDELITY
from cellprism.sae.seeds import SEEDS
from cellprism.sae.stages import RESIDUALS, TRAIN

if TYPE_CHECKING:
    from cellprism.runs.config import Config
    from cellprism.runs.progress import Progress

STAGES = (
    TOKENIZE, RESIDUALS, TRAIN, SEEDS, AXES, RESIDUAL_SHARES, ENCODE, FIDELITY, CATALOG, STABILITY, ANNOTATE,
    RANK_ANNOTATE, STRING_DENSITY, MODULES, CELLTYPES, LAYOUT, NEIGHBOURS, ALIGNMENT, TRACKING, UNLABELLED, VARIANCE,
    HIGHWAYS,
)
CONTROL_STAGES = tuple(stage for stage in STAGES if stage is not FIDELITY)
"""A control's model predicts nothing that reconstructions could spoil."""


def run(config: Config, progress: Progress | None = None) -> Run:
    """Do what ``config`` asks for in the directory ``config.out``, from where an earlier call left off.

    Raises
    ------
    UserError
        Another process works on the directory, or something in the config, the cells or the model does not fit.
    """
    check_target(Path(config.out))
    with exclusive(Path(config.out)):
        target = create(config)
        target.file("controls.parquet").unlink(missing_ok=True)  # it belongs to no stage, and would outlive its rates
        run_stages(STAGES[:1], target, progress or Silent())
        run_layer_pairs(target)
        check_fit(target)
        run_stages(STAGES, target, progress or Silent())
        controls = create_controls(config)
        for control in controls.values():
            run_stages(CONTROL_STAGES, control, progress or Silent())
        target.write("controls", control_table(target, controls))
    return target
