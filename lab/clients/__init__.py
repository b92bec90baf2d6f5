"""The clients, one per service: what a user of the control plane does."""
