"""Imports go downward only, and the package itself is light to import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dinar

PACKAGE = Path(dinar.__file__).parent

FLOORS = (
    ("configs", "errors", "parts", "threads"),
    ("download", "files", "parallel", "progress", "sdist", "unpickling"),
    ("raster", "body", "camera", "gltf", "images", "pictures", "store"),
    ("texture", "networks", "perceptual", "photo"),
    ("fit", "motion", "inpainting", "presets"),
    ("speech",),
    ("avatar", "dressing", "texturing", "painting", "pipeline", "merge", "export", "doctor", "terminal"),
    ("batch", "data", "train", "synth", "evaluate", "viewer", "service", "scene"),
    ("commands",),
    ("cli",),
    ("__main__",),
)
NEIGHBOURS = {
    ("images", "pictures"),
    ("body", "raster"),        # texels on the surface are found by rasterising in UV space
    ("avatar", "export"),      # Avatar.animate writes a video
    ("texturing", "avatar"),
    ("painting", "avatar"),
    ("pipeline", "avatar"),
    ("pipeline", "dressing"),
    ("pipeline", "texturing"),
    ("pipeline", "painting"),
    ("merge", "avatar"),
    ("merge", "painting"),     # what nobody saw is painted as there
    ("train", "data"),
    ("data", "synth"),
    ("service", "viewer"),     # its door, and what may come through it
    ("train", "synth"),
    ("evaluate", "data"),
    ("evaluate", "synth"),
    ("photo", "networks"),     # the parser
    ("texture", "networks"),   # a network draws the texture: its type alone
    ("texture", "perceptual"), # what refinement minimises
}
ONLY_COMMANDS = ("batch", "train", "synth", "evaluate", "viewer", "service", "data", "doctor", "terminal", "commands")


def floor(part: str) -> int:
    found = [i for i, names in enumerate(FLOORS) if part in names]
    assert found, f"{part} has no floor: give it one here and in DESIGN.md"
    return found[0]


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(source: str) -> set[str]:
    """Parts of dinar that a module imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("dinar.")}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            path = (node.module or "").split(".")
            if path[0] == "dinar":
                found |= {path[1]} if len(path) > 1 else {alias.name for alias in node.names}
    return found


def allowed(importer: str, imported: str) -> bool:
    if importer == imported or (importer, imported) in NEIGHBOURS:
        return True
    if imported in ONLY_COMMANDS and importer not in ("commands", "cli"):
        return False
    return floor(imported) < floor(importer)


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downward(path: Path) -> None:
    importer = part_of(path)
    wrong = [part for part in imports(path.read_text(encoding="utf-8")) if not allowed(importer, part)]
    assert not wrong, f"{importer} must not import {', '.join(wrong)}"


def test_the_rule_bites() -> None:
    assert not allowed("body", "texture") and not allowed("texture", "photo") and not allowed("avatar", "pipeline")
    assert not allowed("pipeline", "synth") and allowed("commands", "synth") and allowed("fit", "photo")
    source = "def f():\n    from dinar.body import uv\n    from dinar import images\n    import dinar.fit.fit"
    assert imports(source) == {"body", "images", "fit"}


@pytest.mark.parametrize("module", ["dinar", "dinar.cli", "dinar.commands.create"])
def test_import_is_light(module: str) -> None:
    heavy = ("torch", "numpy", "numba", "cv2", "av", "ai_edge_litert", "scipy", "PIL")
    code = f"import sys, {module}; print(*[name for name in {heavy!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_create_imports_what_it_needs_at_once() -> None:
    """What some photos or later steps need is imported there; torch's compiler, two seconds, by nobody."""
    heavy = ("torch._dynamo", "numba", "diffusers", "transformers", "av", "viser", "ai_edge_litert")
    code = f"import sys, dinar.pipeline; print(*[name for name in {heavy!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_the_public_names_exist() -> None:
    for name in dinar.__all__:
        assert getattr(dinar, name).__name__ == name
    assert set(dinar.__all__) <= set(dir(dinar))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = dinar.nonsense
