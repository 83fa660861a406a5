"""The Model Context Protocol: a run as the answer to a tool call."""
