"""Mathematics that knows no network: solvers, certificates, tracing, cutting planes."""
