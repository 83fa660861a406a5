"""Data pipelines as a pure core: expressions, transforms and windows, without AWS or HTTP.

Read `definition` (what a user writes), `plan` (what it compiles to), `transform` (events through the steps)
and `windows` (state that outlives one call); `store` is all that a database has to offer.
"""
