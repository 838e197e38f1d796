"""ALLR's discount: how hard a prune hit, how short the budget is, and where the rates start."""

import math


def discount_d1(norm_drop: float, removed_share: float) -> float:
    """d1 = norm_drop / sqrt(s) of ALLR (Zimmer et al. 2023): how hard the prune hit. Not clipped.

    Low: the weights removed were small. 1: the drop is that of removing a share s of the squared
    norm, the worst that pruning by magnitude can do; other criteria may exceed it.

    Args:
        norm_drop: ||theta - theta_p|| / ||theta|| of this cycle's prune, >= 0.
        removed_share: s in [0, 1], the share of the weights alive that it removed; 0 gives d1 = 0.
    """
    if not 0 <= norm_drop < math.inf:
        raise ValueError(f"norm_drop must be >= 0 and finite, got {norm_drop}")
    if not 0 <= removed_share <= 1:
        raise ValueError(f"removed_share must be in [0, 1], got {removed_share}")
    return norm_drop / math.sqrt(removed_share) if removed_share > 0 else 0.0


def discount_d2(steps: int, dense_steps: int) -> float:
    """d2 = N / M of ALLR (Zimmer et al. 2023): this cycle's steps over the dense run's. Unclipped.

    Low: the budget is short. For whole epochs it equals the quotient of epochs, T_rt / T.
    """
    if steps < 1 or dense_steps < 1:
        raise ValueError(f"steps and dense_steps must be >= 1, got {steps} and {dense_steps}")
    return steps / dense_steps


def adaptive_discount(d1: float, d2: float) -> float:
    """d = min(max(d1, d2), 1): the share of the dense run's peak rate at which ALLR starts."""
    if not (0 <= d1 < math.inf and 0 <= d2 < math.inf):
        raise ValueError(f"d1 and d2 must be >= 0 and finite, got {d1} and {d2}")
    return min(max(d1, d2), 1.0)
