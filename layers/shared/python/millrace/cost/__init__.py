"""The cost of a deployment: counted calls multiplied by a dated table of prices. Run `python -m
millrace.cost`."""
