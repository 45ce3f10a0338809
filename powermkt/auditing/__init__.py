"""Audit what was cleared, and tables, without a solver: physics, optimality, books."""
