"""Ask runs: pass-through, incidence, capture prices, certificates, responsibility, returns."""
