"""The garbage collector is off until `tests.thrift.spare_imports`, because imported objects stay forever.

For `tests/conftest.py`, which imports this first.
"""

import gc

gc.disable()
