"""Shares of players in what they achieve together: Shapley values and interactions.

A game of n players is an array whose first axis is the coalition, 2**n long: player i belongs to
coalition S if bit i of its number is set. Further axes are games side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import comb

import numpy as np


def shapley_values(worth: np.ndarray) -> np.ndarray:
    """Return what each player adds, averaged over all orders in which players may come.

    ``phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! (w(S + i) - w(S))``; the values add
    up to the worth of all players less that of none (Shapley 1953, doi:10.1515/9781400881970-018).

    Parameters
    ----------
    worth : ndarray [2**n, ...]

    Returns
    -------
    ndarray [n, ...]

    Raises
    ------
    ValueError
        If the first axis is no power of two.
    """
    return np.array([share @ _flat(worth) for share in _weights(worth)]).reshape(_shape(worth, 1))


def shapley_bounds(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and largest value of each player where worths are known within bounds.

    Every worth stands once in the sum, so that the bounds are reached, for each player alone.

    Parameters
    ----------
    low, high : ndarray [2**n, ...]

    Returns
    -------
    tuple of ndarray [n, ...]
    """
    least, most = [], []
    for share in _weights(low):
        gain, loss = share.clip(min=0.0), share.clip(max=0.0)
        least.append(gain @ _flat(low) + loss @ _flat(high))
        most.append(gain @ _flat(high) + loss @ _flat(low))
    shape = _shape(low, 1)
    return np.array(least).reshape(shape), np.array(most).reshape(shape)


def interaction_index(worth: np.ndarray) -> np.ndarray:
    """Return by how much two players add more together than each of them alone.

    ``I_ij = sum over S without i and j of |S|! (n - |S| - 2)! / (n - 1)!
    (w(S + i + j) - w(S + i) - w(S + j) + w(S))``: above 0 where they need each other, below 0
    where one can stand in for the other (Grabisch and Roubens 1999, doi:10.1007/s001820050125).

    Parameters
    ----------
    worth : ndarray [2**n, ...]

    Returns
    -------
    ndarray [n, n, ...]
        Symmetric; 0 on the diagonal.
    """
    n, flat = _players(worth), _flat(worth)
    found = np.zeros((n, n, flat.shape[1]))
    coalitions = np.arange(len(worth))
    for i in range(n):
        for j in range(i):
            one, other = 1 << i, 1 << j
            rest = coalitions[coalitions & (one | other) == 0]
            share = np.array([1.0 / ((n - 1) * comb(n - 2, int(s).bit_count())) for s in rest])
            both = flat[rest | one | other] - flat[rest | one] - flat[rest | other] + flat[rest]
            found[i, j] = found[j, i] = share @ both
    return found.reshape(_shape(worth, 2))


def _weights(worth: np.ndarray) -> Iterator[np.ndarray]:
    """For each player, what the worth of every coalition counts in its value [coalition]."""
    n = _players(worth)
    coalitions = np.arange(len(worth))
    for i in range(n):
        rest = coalitions[coalitions & (1 << i) == 0]
        share = np.array([1.0 / (n * comb(n - 1, int(s).bit_count())) for s in rest])
        weights = np.zeros(len(worth))
        weights[rest], weights[rest | (1 << i)] = -share, share
        yield weights


def _players(worth: np.ndarray) -> int:
    n = len(worth).bit_length() - 1
    if len(worth) != 1 << n:
        raise ValueError(f"{len(worth)} coalitions: 2**n are needed")
    return n


def _flat(worth: np.ndarray) -> np.ndarray:
    return worth.reshape(len(worth), -1)


def _shape(worth: np.ndarray, players: int) -> tuple[int, ...]:
    return (*[_players(worth)] * players, *worth.shape[1:])
