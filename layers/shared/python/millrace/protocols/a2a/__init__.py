"""A2A 1.0: tasks as a pure projection of a run's events, and messages back.

Only this folder imports the SDK, for its types and errors; its handlers keep a task in one process, which
does not fit Lambda.
"""
