"""Data pipelines as a pure core: expressions, transforms and windows, without AWS or HTTP.

Start with `definitions` (what a user writes), `expressions` (the language of its values), `plan` (the
compiled form of a definition), `transform` (events through the steps) and `state` (windows, batches and
totals that outlive a call; `state.store` is all that a database has to provide).
"""
