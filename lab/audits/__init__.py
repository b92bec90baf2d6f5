"""What is looked at on a cluster after a run, one subject per module: each gathers nothing, and decides purely."""
