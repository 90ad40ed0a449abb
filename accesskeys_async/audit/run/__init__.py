"""A run of an audit: from organizations to findings."""
