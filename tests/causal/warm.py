"""Imported by the server that forks the processes of `test_kill`: loads and compiles what a trace needs, once."""

from __future__ import annotations

import torch
from tests.causal.worlds import sources

from cellprism.causal import engine, summary, tracing
from cellprism.causal.calibration import calibrate
from cellprism.causal.finish import finish
from cellprism.models import load_model

torch.set_num_threads(1)
load_model("demo", device="cpu", dtype="float32")
finish(calibrate(one) for n in (6, 24) for one in sources(0, 2, planted=20, n=n))
LOADED = (engine, summary, tracing)
