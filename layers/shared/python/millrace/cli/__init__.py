"""The command line `millrace`, of the extra `millrace[cli]`: see docs/cli.md."""
