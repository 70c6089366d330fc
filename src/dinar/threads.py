"""How the threads of torch, OpenBLAS and OpenCV wait: asleep. `import dinar` settles it before any of them is loaded.

A thread that has nothing to do spins at first, for it is sooner back at work than one that has to be woken. As soon as
another process wants the core that is a disaster: threads spin for one that has lost its core, operation after
operation, and refinement took ten minutes in place of half of one. The libraries read these settings while they are
loaded, and nothing changes them later.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

_GROUPS = (                                      # where a user has set one of a group, the group is the user's
    {
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "0",                   # GCC's OpenMP: torch on Linux
        "KMP_BLOCKTIME": "0",                    # milliseconds; LLVM's and Intel's: torch elsewhere
    },
    {"OPENBLAS_THREAD_TIMEOUT": "4"},            # 2^4 ticks of the processor, its least; NumPy and SciPy
    {"OPENCV_THREAD_POOL_ACTIVE_WAIT_WORKER": "0", "OPENCV_THREAD_POOL_ACTIVE_WAIT_MAIN": "0"},
)


def settle(environment: MutableMapping[str, str]) -> None:
    """Sets what the user has not."""
    for group in _GROUPS:
        if not group.keys() & environment.keys():
            environment.update(group)


settle(os.environ)
