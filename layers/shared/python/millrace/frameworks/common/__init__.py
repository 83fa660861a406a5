"""Parts that adapters of several frameworks share. Nothing here imports a framework."""
