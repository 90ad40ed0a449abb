"""Audit the keys of many organizations: read them whole, judge them by rules, and tell what to do."""
