"""Mathematics that knows no market: solvers, certificates, tracing, cutting planes, statistics."""
