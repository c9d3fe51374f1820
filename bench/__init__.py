"""The benchmarks: the same work on regrow, the BEAM, asyncio by hand, and the Python peers. See README.md."""
