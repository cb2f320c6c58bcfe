"""Models that Python packages ship, so that no hub is needed: which there are, and how their files are read."""
