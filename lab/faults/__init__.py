"""Every fault there is."""
