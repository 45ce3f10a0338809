"""Clear and ask runs: pass-through, incidence, capture prices, certificates, returns, risk."""
