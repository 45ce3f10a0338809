"""Clear a horizon: regimes, windows, chains, limits over the horizon, stored cells."""
