"""How fast the library is beside the least that could do the same work: `python -m benchmarks`."""
