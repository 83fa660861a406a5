"""Data pipelines as a pure core: expressions, transforms and windows, without AWS or HTTP.

Read `definitions` (what a user writes), `expressions` (the language of its values), `plan` (what a
definition compiles to), `transform` (events through the steps) and `state` (windows, batches and totals,
which outlive one call; `state.store` is all that a database has to offer).
"""
