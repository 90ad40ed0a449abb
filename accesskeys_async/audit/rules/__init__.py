"""Rules: pure functions over a snapshot of an organization's keys."""
