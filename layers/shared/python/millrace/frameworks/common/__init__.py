"""Parts that the adapters of several frameworks share. Nothing here imports a framework."""
