"""The Model Context Protocol: a run as the answer to a call of a tool."""
