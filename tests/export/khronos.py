"""Khronos' validator of glTF files, where node and the npm package gltf-validator are installed."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path

import pytest

_SCRIPT = """
const { validateBytes } = require("gltf-validator");
const content = new Uint8Array(require("fs").readFileSync(process.argv[1]));
validateBytes(content, { maxIssues: 0 }).then((report) => console.log(JSON.stringify(report)));
"""


def problems(path: Path) -> list[str]:
    """Errors and warnings; skips the test where there is no validator (NODE_PATH says where npm's packages are)."""
    if not _installed():
        pytest.skip("needs node and `npm install gltf-validator`, with NODE_PATH at its node_modules")
    run = subprocess.run(["node", "-e", _SCRIPT, str(path)], capture_output=True, text=True, check=True)
    issues = json.loads(run.stdout)["issues"]
    found = [f"{m['code']}: {m['message']} ({m.get('pointer')})" for m in issues["messages"] if m["severity"] <= 1]
    assert len(found) == issues["numErrors"] + issues["numWarnings"]
    return found


@functools.cache
def _installed() -> bool:
    if shutil.which("node") is None:
        return False
    return subprocess.run(["node", "-e", "require.resolve('gltf-validator')"], capture_output=True).returncode == 0
