"""The garbage collector rests from here on until `tests.thrift.spare_imports`: imports stay for good.

For `tests/conftest.py`, which imports this before all else.
"""

import gc

gc.disable()
