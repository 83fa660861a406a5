"""The language of map values, guards and templates: text to a syntax tree to closures, and its functions."""
