"""Databases that a history or a journal is kept in."""
