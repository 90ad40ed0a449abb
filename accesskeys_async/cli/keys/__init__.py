"""Commands for single keys."""
