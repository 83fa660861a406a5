"""The parts of `side_by_side`, one module each: `MOST_SECONDS` that it may take, `measure`, whose result goes
through JSON, and `section`, the lines that docs/benchmarks.md has of it."""
