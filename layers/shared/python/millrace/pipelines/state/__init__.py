"""State that outlives a call: windows, sessions, batches and running totals over a small store interface."""
