"""What decides whether a run kept its promises; each reads the history and nothing else."""
