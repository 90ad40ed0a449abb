"""Which organizations are audited, and with which tokens."""
