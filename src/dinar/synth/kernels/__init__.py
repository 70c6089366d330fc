"""The inner loops of the studio, compiled by numba."""
