raise ValueError("no configuration")
