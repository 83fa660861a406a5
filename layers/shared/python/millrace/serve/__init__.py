"""The functions with URLs in one process: `python -m millrace.serve`."""
