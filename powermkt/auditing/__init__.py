"""Audit a run without a solver: physics, optimality, books."""
