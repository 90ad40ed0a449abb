"""`accesskeys demo`."""
