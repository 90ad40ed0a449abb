"""`accesskeys rotate`."""
