"""The parts of the reconciler: leases, the look at everything, the effects of each step."""
