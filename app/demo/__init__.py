"""The demo of Millrace, as any project has its own code."""
