"""`python -m millrace.cli`: the command line without its script."""

from millrace.cli.entry import main

main()
