"""The command center in a terminal. Needs `rich`, which comes with the extra `local`."""
