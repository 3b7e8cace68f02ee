"""A whole installation in one process group, as `make demo` and `make run` start it."""
