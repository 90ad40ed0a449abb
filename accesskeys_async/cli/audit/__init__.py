"""`accesskeys audit`."""
