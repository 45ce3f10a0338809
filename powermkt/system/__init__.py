"""What follows from a case before anything is cleared: fleets, horizon, seams, reserve products."""
