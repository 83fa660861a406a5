"""State that outlives one call: windows, sessions, batches and running totals over a small store
interface."""
