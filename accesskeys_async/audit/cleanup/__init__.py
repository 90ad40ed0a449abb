"""From findings to deleted keys."""
