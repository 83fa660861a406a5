"""The language of map values, guards and templates: parsing, compilation to closures, and functions."""
