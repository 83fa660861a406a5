"""Destinations of pipelines: one module per kind of destination, `catalog` lists them."""
