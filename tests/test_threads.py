"""How threads wait is settled before the libraries that start them are loaded."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys

import pytest

from dinar.threads import settle


def test_what_the_user_has_set_stays() -> None:
    found = {"OMP_WAIT_POLICY": "ACTIVE", "HOME": "/home/me"}
    settle(found)
    assert found["OMP_WAIT_POLICY"] == "ACTIVE" and found["HOME"] == "/home/me"
    assert "GOMP_SPINCOUNT" not in found and "KMP_BLOCKTIME" not in found       # nor what goes with it
    assert found["OPENBLAS_THREAD_TIMEOUT"] == "4" and found["OPENCV_THREAD_POOL_ACTIVE_WAIT_WORKER"] == "0"


@pytest.mark.skipif(platform.system() != "Linux", reason="other systems' torch has another OpenMP")
@pytest.mark.parametrize(
    ("given", "code", "spins"),
    [
        ({}, "import dinar, torch", 0),
        ({}, "import dinar.parallel", 0),                   # imports torch itself
        ({"GOMP_SPINCOUNT": "1234"}, "import dinar, torch", 1234),
        ({}, "import torch, dinar", 300_000),               # too late: GCC's own
    ],
)
def test_openmp_reads_it(given: dict[str, str], code: str, spins: int) -> None:
    """As libgomp itself tells it, of which torch has its own."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    run = subprocess.run(
        [sys.executable, "-c", code], env=ours | given | {"OMP_DISPLAY_ENV": "VERBOSE"}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert {int(count) for count in re.findall(r"GOMP_SPINCOUNT = '(\d+)'", run.stderr)} == {spins}
