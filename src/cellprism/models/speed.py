"""How fast positions come out of a model, for the manifest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import torch

    from cellprism.models.base import CellModel

    Residuals = Iterator[tuple[np.ndarray, int, torch.Tensor]]


class Speed:
    """A stop-watch that starts when it is made.

    Only what goes through `watch` is counted: shards that an earlier, killed call has finished are not.
    """

    def __init__(self) -> None:
        self._started, self._cores = time.perf_counter(), time.process_time()
        self._in_model = 0.0
        self._positions = 0

    def watch(self, residuals: Residuals) -> Residuals:
        """Hand on what ``residuals`` yields (position numbers, layer, residuals); time it and count its batches."""
        last = None
        while True:
            before = time.perf_counter()
            item = next(residuals, None)
            self._in_model += time.perf_counter() - before
            if item is None:
                return
            self._positions += 0 if item[0] is last else len(item[0])
            last = item[0]
            yield item

    def facts(self, model: CellModel) -> dict[str, Any]:
        """Positions per second, on the clock and of all cores, and the share of the time that the model took.

        On a GPU the share is blurred, because work is queued there.
        """
        seconds, cores = time.perf_counter() - self._started, time.process_time() - self._cores
        return {
            "device": str(model.device), "dtype": model.describe().get("dtype"),
            "positions_per_second": round(self._positions / seconds, 1),
            "positions_per_cpu_second": round(self._positions / cores, 1),
            "share_of_time_in_model": round(self._in_model / seconds, 3),
        }
