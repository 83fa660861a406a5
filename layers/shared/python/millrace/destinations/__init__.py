"""Where pipelines deliver to: one module per kind of destination, `catalog` lists them."""
