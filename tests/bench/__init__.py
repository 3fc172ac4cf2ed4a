"""`make bench`: what the cashier waits for, as ratios measured within one run."""
