"""The demo, organized like the code of any project."""
