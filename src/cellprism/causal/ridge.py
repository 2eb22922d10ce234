"""Ridge regression of many targets on the same cells, one decomposition for all of them."""

from __future__ import annotations

import numpy as np

PENALTIES = 10.0 ** np.arange(-1, 6)


class Ridge:
    """Ridge regression whose penalty is chosen, for each target, by leaving out one row at a time.

    With ``x = U S V'`` the fit is ``U diag(s^2 / (s^2 + penalty)) U' y``, and the error at a row that is left out is
    its residual over ``1 - h``, ``h`` being the row's own weight in its fit (Golub, Heath and Wahba 1979).

    Parameters
    ----------
    x
        Centred columns, shape ``(n, d)``.
    """

    def __init__(self, x: np.ndarray) -> None:
        self._u, self._s, self._v = np.linalg.svd(x, full_matrices=False)

    def fit(self, y: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights ``(d,)`` and constant for a target ``(n,)``."""
        u, s = self._u, self._s
        centred = y - y.mean()
        onto = u.T @ centred
        errors = []
        for penalty in PENALTIES:
            shrink = s**2 / (s**2 + penalty)
            left_out = (centred - u @ (shrink * onto)) / (1 - u**2 @ shrink - 1 / len(y))
            errors.append((left_out**2).mean())
        best = PENALTIES[int(np.argmin(errors))]
        return self._v.T @ (s / (s**2 + best) * onto), float(y.mean())
