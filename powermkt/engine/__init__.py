"""Clear a horizon: regimes, windows, chains, limits, cells; change it by causes and remedies."""
