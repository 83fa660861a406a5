"""A2A 1.0: tasks as a pure projection of a run's events, and messages in the other direction.

Only this folder imports the SDK, for its types and errors. Its handlers keep a task in one process, which
does not work on Lambda.
"""
