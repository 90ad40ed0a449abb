"""Listings, from page to page."""
