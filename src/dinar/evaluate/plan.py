"""What is to be measured, by which networks, and what decides the numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import dinar
from dinar.errors import InputError
from dinar.evaluate.cases import Cases, digest_of
from dinar.evaluate.reid import Reidentification
from dinar.evaluate.rows import ROWS, Row, chosen, in_order
from dinar.inpainting import inpainter
from dinar.inpainting.inpainter import Inpainter
from dinar.networks.appearance import Appearance, shipped
from dinar.networks.lifter import shipped as lifter
from dinar.networks.parser import HumanParser
from dinar.networks.parser import shipped as shipped_parser

# The parts of the program that a row's numbers come from: all rows', those of neural ones, those of rows that paint
_MEASURING = (
    "body", "camera.py", "data", "dressing.py", "evaluate", "fit", "images.py", "motion", "networks/lifter.py",
    "networks/parser.py", "parts.py", "perceptual", "photo", "raster", "synth", "texture", "texturing.py",
)  # fmt: skip
_SHOWING = ("journal", "markup", "paper", "plan", "protocols", "report", "run", "tables", "votes")
_NEURAL = ("avatar", "networks", "presets.py")
_PAINTING = ("inpainting", "painting.py")


@dataclass(frozen=True)
class Plan:
    """What is measured; it travels to other processes.

    cases      who, from which view, in which views
    rows       names of rows
    weights    folder of trained weights, None for those that ship with the package
    walk       measure flicker as well
    face       compare faces as well
    reid       the user's own network for re-identification
    inception  the user's own ONNX network for KID
    """

    cases: Cases
    rows: tuple[str, ...]
    weights: Path | None = None
    walk: bool = True
    face: bool = True
    reid: Path | None = None
    inception: Path | None = None

    @property
    def neural(self) -> bool:
        return any(row.neural for row in self.chosen)

    @property
    def paints(self) -> bool:
        return any(row.paints for row in self.chosen)

    @property
    def chosen(self) -> tuple[Row, ...]:
        return in_order(self.rows)

    @property
    def settings(self) -> dict[str, str]:
        """What decided the numbers, as a report tells it."""
        weights = networks(self.weights).name if self.neural else "none"
        found = {"protocol": self.cases.name, "program": f"dinar {version('dinar')}", "weights": weights}
        if self.paints:
            found["inpainting"] = painter(self.weights).name
        found["parser"] = parser().name if parser() else "nobody"
        found["lifter"] = lifter().name if lifter() else "nobody"
        found |= self.cases.facts
        if self.reid:
            network = Reidentification(self.reid)
            found["reid"] = f"{network.name} ({network.digest})"
        if self.inception:
            found["inception"] = digest_of([self.inception])
        return found

    def digest(self, settings: Mapping[str, str], person: str, row: str) -> str:
        """Of everything that decides a person's numbers in a row (of `Journal.settings`); row "" is of no avatar.

        Raises InputError for nobody's name.
        """
        found = next((known for known in ROWS if known.name == row), None)
        parts = {name: settings.get(name) for name in ("protocol", "program", "parser", "lifter", "reid", "inception")}
        parts |= {"row": row, "data": self.cases.digest(person), "face": self.face}
        if found and found.neural:
            parts["weights"] = settings.get("weights")
        if found and found.paints:
            parts["inpainting"] = settings.get("inpainting")
        neural, paints = bool(found and found.neural), bool(found and found.paints)
        parts["source"] = source_digest(neural=neural, paints=paints)
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def planned(
    cases: Cases,
    rows: str,                         # names, "system" or "all": see `rows.chosen`
    weights: Path | None,              # None: those that ship, if there are any
    *,
    walk: bool = True,
    face: bool = True,
    reid: Path | None = None,
    inception: Path | None = None,
) -> Plan:
    """A plan whose rows can be drawn. Raises InputError for unknown rows, or missing weights or networks."""
    for path in (reid, inception):
        if path is not None and not path.is_file():
            raise InputError(f"{path} does not exist")
    try:
        networks(weights)
        neural = True
    except InputError:
        if weights is not None:
            raise
        neural = False
    found = chosen(rows, neural=neural, paints=neural and painter(weights) is not None)
    return Plan(cases, tuple(row.name for row in found), weights, walk, face, reid, inception)


@lru_cache(maxsize=1)
def networks(weights: Path | None) -> Appearance:
    """The networks that draw. Raises InputError where they are missing."""
    return shipped() if weights is None else Appearance.load(weights)


@lru_cache(maxsize=1)
def painter(weights: Path | None) -> Inpainter | None:
    """The networks that paint textures of those weights: what ships, or lies beside them; None without any."""
    appearance = networks(weights).name
    if weights is None:
        return inpainter.shipped() if inpainter.ships_for(appearance) else None
    folder = Path(weights).resolve().parent / "inpainting"
    found = Inpainter.load(folder) if (folder / inpainter.MARKER).exists() else None
    return found if found is not None and found.appearance == appearance else None


def parser() -> HumanParser | None:
    """Who tells rows the parts of their view, and true pictures theirs where nothing else does; None: nobody."""
    return shipped_parser()


@lru_cache(maxsize=4)
def source_digest(*, neural: bool, paints: bool) -> str:
    """Of the program's own files that make and measure such rows, what ships with them included."""
    top = Path(dinar.__file__).parent
    parts = (*_MEASURING, *(_NEURAL if neural else ()), *(_PAINTING if paints else ()))
    files = [
        path
        for part in parts
        for path in ([top / part] if part.endswith(".py") else sorted((top / part).rglob("*")))
        if path.suffix in (".py", ".npz") and not (path.parent.name == "evaluate" and path.stem in _SHOWING)
    ]
    return digest_of(files)
