"""Where pipelines deliver to: one module per kind of destination, `catalogue` lists them."""
