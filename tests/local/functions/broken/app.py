"""A function whose module does not load."""

import a_module_that_nobody_has  # type: ignore[import-not-found]

handler = a_module_that_nobody_has.handler
