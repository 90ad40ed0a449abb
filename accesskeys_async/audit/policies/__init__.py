"""Policies: which rules apply, and how."""
