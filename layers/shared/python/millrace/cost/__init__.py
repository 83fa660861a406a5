"""The cost of a deployment: counted calls times a dated table of prices. Run `python -m millrace.cost`."""
