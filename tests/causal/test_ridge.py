from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from cellprism.causal.ridge import PENALTIES, Ridge


@pytest.mark.parametrize("shape", [(40, 90), (90, 40)])
@pytest.mark.parametrize("noise", [0.1, 3.0])
def test_it_is_the_ridge_regression_of_scikit_learn(shape: tuple[int, int], noise: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape) * np.geomspace(1, 0.05, shape[1])
    x -= x.mean(axis=0)
    ridge = Ridge(x)
    for target in range(2):
        y = x[:, target] + noise * rng.standard_normal(shape[0]) + 5
        oracle = RidgeCV(PENALTIES).fit(x, y)
        weight, constant = ridge.fit(y)
        np.testing.assert_allclose(weight, oracle.coef_, atol=1e-8)
        np.testing.assert_allclose(constant, oracle.intercept_, atol=1e-8)
