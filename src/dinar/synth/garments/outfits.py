"""Random clothes: what goes with what, how it is cut, how it looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dinar.body.model import BodyModel
from dinar.parts import BodyPart
from dinar.synth.garments import patterns
from dinar.synth.garments.cloth import Look
from dinar.synth.garments.sewing import Garment
from dinar.synth.garments.things import Anchors, Dome, bag, glasses, hat, held, scarf
from dinar.synth.garments.wearing import Worn, srgb
from dinar.synth.piece import CLOTH, LEATHER, Piece

Colour = Callable[[float], np.ndarray]  # a colour, linear light [3], quiet with some chance
_EXTRAS = (0.2, 0.2, 0.16, 0.13)  # shares of people with headwear, glasses, bags, held things
Fabric = Callable[[], tuple[np.ndarray, float]]  # a fabric, linear light [s, s, 3], and metres a side


@dataclass(frozen=True)
class Extras:
    """What somebody wears and carries besides clothes and shoes: cut garments, and things that are whole."""

    worn: tuple[Worn, ...] = ()
    pieces: tuple[Piece, ...] = ()
    names: tuple[str, ...] = ()
    dome: Dome | None = None
    hides_hair: bool = False


class Tailor:
    """Makes garments up from random numbers."""

    def __init__(self, model: BodyModel, rng: np.random.Generator, colour: Colour, fabric: Fabric) -> None:
        self.model, self.rng, self.colour, self.fabric = model, rng, colour, fabric

    def clothes(self, female: bool) -> list[Worn]:
        """What somebody wears but shoes, innermost first."""
        rng = self.rng
        kind = rng.choice(["trousers", "skirt", "dress"], p=[0.5, 0.24, 0.26] if female else [0.955, 0.015, 0.03])
        worn: list[Worn] = []
        if kind == "dress":
            worn += self._dress(female)
        else:
            tucked = bool(rng.random() < (0.6 if kind == "skirt" else 0.3))
            below = self._trousers(female) if kind == "trousers" else self._skirt()
            waist = below.garment.waist
            above = self._top(female, waist - 0.05 if tucked else None)
            worn += [above, below] if tucked else [below, above]
            if not tucked and kind == "skirt":
                worn[0] = replace(worn[0], garment=replace(worn[0].garment, under=0.015))
            if tucked:
                worn[0] = replace(worn[0], garment=replace(worn[0].garment, under=0.02))
                worn[1] = replace(worn[1], garment=replace(worn[1].garment, under=0.0, offset=0.011))
            if kind == "skirt" and rng.random() < 0.35:
                worn.insert(0, self._tights())
        if rng.random() < 0.36:
            outer = self._outer()
            if len(outer) > 1:  # under a coat's tails all gives way
                worn = [replace(w, garment=replace(w.garment, under=w.garment.under + 0.02)) for w in worn]
            worn += outer
        return worn

    def boots(self, most: float = 0.42) -> Worn:
        """Boots that reach `most` metres up."""
        garment = patterns.boots(self.model, height=float(self.rng.uniform(0.11, most)))
        dark = np.float32([0.05, 0.032, 0.02]) * self.rng.uniform(0.15, 1.5) * np.exp(self.rng.normal(0, 0.2, 3))
        return Worn(garment, replace(self._plain(0.9), colour=dark.astype(np.float32), sole=True), 0.5)

    def extras(self, anchors: Anchors, female: bool, worn: list[Worn]) -> Extras:
        """Now and then headwear, glasses, a bag, something held."""
        rng = self.rng
        wanted = rng.random(4) < _EXTRAS
        added, pieces, names, dome, hides = [], [], [], None, False
        hoods = [each for each in worn if each.garment.name in ("hoodie", "zipped")]
        if wanted[0]:
            shares = [0.30, 0.18, 0.09, 0.13, 0.30] if female else [0.52, 0.30, 0.12, 0.06, 0.0]
            kind = str(rng.choice(["cap", "beanie", "fedora", "sunhat", "headscarf"], p=shares))
            if hoods and rng.random() < 0.7:
                garment = scarf(self.model, rng, hood=True)
                place = worn.index(hoods[-1])
                worn[place] = replace(hoods[-1], garment=replace(hoods[-1].garment, collars=()))  # it is up
                added.append(Worn(garment, replace(hoods[-1].look, motif=None, back=None, fasten="", pockets=""), 0.4))
                hides = True
            elif kind == "headscarf":
                look = self._plain(0.5)
                look = replace(look, pattern="all") if rng.random() < 0.3 else look
                added.append(Worn(scarf(self.model, rng), look, 0.6))
                hides = True
            else:
                piece, dome = hat(anchors, rng, self._paint(0.6), kind)
                pieces.append(piece)
                names.append(kind)
        if wanted[1]:
            pieces += glasses(anchors, rng)
            names.append("glasses")
        if wanted[2]:
            colour = self._plain(0.8)
            bags, straps = bag(anchors, rng, srgb(colour.colour))
            pieces += bags
            away = 0.012 if worn else 0.03  # over clothes that are no garments of ours
            added += [Worn(replace(strap, offset=away), replace(colour, seed=0), 0.0) for strap in straps]
            names.append("bag")
        if wanted[3]:
            pieces += held(anchors, rng, self._paint(0.5))
            names.append("held")
        return Extras(tuple(added), tuple(pieces), tuple(names), dome, hides)

    def _paint(self, quiet: float) -> np.ndarray:
        """A colour in sRGB, 0 to 255."""
        return srgb(self.colour(quiet))

    def _top(self, female: bool, tucked: float | None) -> Worn:
        """Something worn above; tucked: the height down to which it goes into what is worn below."""
        rng = self.rng
        kind = rng.choice(
            ["tee", "tank", "shirt", "jumper", "hoodie", "polo", "tunic", "blouse"],
            p=[0.30, 0.08 if female else 0.04, 0.18, 0.16, 0.10, 0.07, 0.03, 0.08]
            if female
            else [0.33, 0.04, 0.23, 0.17, 0.12, 0.08, 0.03, 0.0],
        )
        hem = tucked if tucked is not None else float(rng.uniform(-0.10, 0.04))
        if female and tucked is None and kind in ("tee", "tank") and rng.random() < 0.15:
            hem = float(rng.uniform(0.08, 0.2))  # cropped
        loose = float(rng.uniform(0.0, 0.13))
        v = bool(rng.random() < 0.25)
        depth = float(rng.uniform(0.0, 0.10)) * (1.3 if female else 0.8)
        cut = dict(hem=hem, loose=loose, v=v, depth=depth, width=float(rng.uniform(0.075, 0.13)))
        look = self._look()
        if kind == "tee":
            sleeve = float(
                rng.choice([0.08, patterns.SHORT, 0.21, patterns.HALF, patterns.LONG], p=[0.1, 0.5, 0.2, 0.08, 0.12])
            )
            garment = patterns.top(
                self.model,
                sleeve=sleeve,
                sleeve_wide=float(rng.uniform(1.05, 1.5)),
                collar="rib" if rng.random() < 0.7 else "",
                **cut,
            )
            look = self._printed(look, 0.55)
        elif kind == "tank":
            garment = patterns.top(self.model, sleeve=0.0, **(cut | {"depth": float(rng.uniform(0.05, 0.14))}))
            look = self._printed(look, 0.35)
        elif kind in ("shirt", "polo"):
            sleeve = patterns.LONG if kind == "shirt" and rng.random() < 0.7 else float(rng.uniform(0.15, 0.25))
            lapel = float(rng.uniform(0.40, 0.55)) if rng.random() < 0.5 else None
            garment = patterns.top(
                self.model,
                sleeve=sleeve,
                sleeve_wide=float(rng.uniform(1.1, 1.35)),
                collar="shirt",
                lapel=lapel,
                **(cut | {"depth": 0.0, "v": False, "width": 0.09}),
            )
            tie = kind == "shirt" and lapel is None and rng.random() < (0.06 if female else 0.3)
            look = replace(look, fasten="tie" if tie else "buttons", pockets="chest" if rng.random() < 0.35 else "")
            if kind == "shirt" and rng.random() < 0.5:
                look = replace(look, pattern="all")
        elif kind == "hoodie":
            garment = patterns.top(
                self.model,
                sleeve=patterns.LONG,
                sleeve_wide=float(rng.uniform(1.15, 1.45)),
                collar="hood",
                offset=0.012,
                smooth=24,
                **(cut | {"depth": 0.02, "v": False}),
            )
            look = replace(
                self._printed(look, 0.5), bands=bool(rng.random() < 0.15), pockets="sides" if rng.random() < 0.3 else ""
            )
            if rng.random() < 0.4:
                look = replace(look, fasten="zip", motif=None)
        elif kind == "jumper":
            collar = str(rng.choice(["rib", "roll", "stand", ""], p=[0.6, 0.2, 0.05, 0.15]))
            depth = 0.0 if collar in ("roll", "stand") else depth
            garment = patterns.top(
                self.model,
                sleeve=patterns.LONG,
                sleeve_wide=float(rng.uniform(1.1, 1.4)),
                collar=collar,
                offset=0.011,
                smooth=24,
                **(cut | {"depth": depth, "v": v and not collar}),
            )
            look = self._printed(look, 0.35)
        elif kind == "tunic":
            garment = patterns.top(
                self.model,
                name="tunic",
                sleeve=float(rng.choice([0.0, 0.2, 0.6])),
                sleeve_wide=float(rng.uniform(1.1, 1.7)),
                **(cut | {"hem": -0.14 if tucked is None else hem, "loose": float(rng.uniform(0.08, 0.2))}),
            )
            look = replace(
                look, pattern="all" if rng.random() < 0.5 else "", bands=tucked is None and bool(rng.random() < 0.4)
            )
        else:
            garment = patterns.top(
                self.model,
                name="blouse",
                sleeve=float(rng.choice([0.12, 0.3, 0.6])),
                sleeve_wide=float(rng.uniform(1.2, 1.9)),
                **(cut | {"depth": depth + 0.03}),
            )
            look = replace(
                look, pattern="all" if rng.random() < 0.6 else "", fasten="buttons" if rng.random() < 0.4 else ""
            )
        return Worn(replace(garment, name=str(kind)), look, float(rng.uniform(0.4, 1.2)))

    def _trousers(self, female: bool) -> Worn:
        rng = self.rng
        kind = rng.choice(
            ["jeans", "suit", "wide", "leggings", "shorts", "joggers"],
            p=[0.34, 0.18, 0.13, 0.13, 0.12, 0.10] if female else [0.42, 0.22, 0.05, 0.01, 0.17, 0.13],
        )
        waist = float(rng.uniform(0.07, 0.16))
        look = replace(self._look(), belt=bool(rng.random() < 0.35))
        hem = float(rng.uniform(-0.755, -0.70))
        if kind == "leggings":
            garment = patterns.trousers(self.model, waist=waist, hem=hem, thigh=1.0, ankle=1.02, offset=0.004, smooth=1)
            look = replace(look, belt=False)
        elif kind == "shorts":
            garment = patterns.trousers(
                self.model,
                waist=waist,
                hem=float(rng.uniform(-0.40, -0.16)),
                thigh=float(rng.uniform(1.02, 1.15)),
                ankle=float(rng.uniform(1.2, 2.0)),
            )
        else:
            ankle = {"jeans": (1.08, 1.6), "suit": (1.4, 1.75), "wide": (1.8, 2.6), "joggers": (1.05, 1.3)}[str(kind)]
            garment = patterns.trousers(
                self.model,
                waist=waist,
                hem=hem,
                thigh=float(rng.uniform(1.02, 1.15) + (0.1 if kind == "wide" else 0)),
                ankle=float(rng.uniform(*ankle)),
                offset=float(rng.uniform(0.005, 0.012)),
            )
        if kind in ("jeans", "shorts"):
            look = replace(look, pockets="jeans")
        if kind == "jeans" and rng.random() < 0.7:
            blue = np.float32([0.05, 0.09, 0.19]) * rng.uniform(0.4, 3.2) * np.exp(rng.normal(0, 0.08, 3))
            look = replace(look, colour=blue.astype(np.float32), pattern="", tile=None)
        elif rng.random() < 0.75:
            look = replace(look, pattern="")
        return Worn(replace(garment, name=str(kind)), look, float(rng.uniform(0.4, 1.1)))

    def _skirt(self) -> Worn:
        garment = self._skirt_shape(BodyPart.DRESS)
        look = replace(self._look(), belt=bool(self.rng.random() < 0.25))
        if self.rng.random() < 0.45:
            look = replace(look, pattern="all")
        return Worn(garment, look, float(self.rng.uniform(0.2, 0.9)))

    def _skirt_shape(self, label: BodyPart, waist: float | None = None, least: float = -0.74) -> Garment:
        rng = self.rng
        straight = bool(rng.random() < 0.35)
        folds_ = 0 if straight else int(rng.integers(6, 19))
        return patterns.skirt(
            self.model,
            waist=float(rng.uniform(0.10, 0.16)) if waist is None else waist,
            hem=float(rng.uniform(max(least, -0.74), -0.17)),
            flare=float(rng.uniform(0.72, 0.9) if straight else rng.uniform(0.9, 1.7)),
            folds=folds_,
            depth=float(rng.uniform(0.006, 0.028)) if folds_ else 0.0,
            phase=float(rng.uniform(0, 6.28)),
            label=label,
        )

    def _dress(self, female: bool) -> list[Worn]:
        rng = self.rng
        look = self._look()
        if rng.random() < 0.5:
            look = replace(look, pattern="all")
        sleeve = float(rng.choice([0.0, 0.12, patterns.SHORT, patterns.HALF, patterns.LONG]))
        loose = float(rng.uniform(0, 0.08))
        if not female:  # a long shirt
            sleeve = patterns.LONG
        upper = patterns.top(
            self.model,
            label=BodyPart.DRESS,
            name="dress",
            sleeve=sleeve,
            hem=0.10,
            loose=loose,
            sleeve_wide=float(rng.uniform(1.05, 1.5)),
            depth=float(rng.uniform(0, 0.12)) if female else 0.0,
            v=bool(rng.random() < 0.3),
            width=float(rng.uniform(0.08, 0.14)),
            offset=0.008,
            collar=str(rng.choice(["", "rib", "shirt"], p=[0.6, 0.2, 0.2])),
        )
        lower = self._skirt_shape(BodyPart.DRESS, waist=0.155)
        if not female:
            lower = patterns.skirt(self.model, waist=0.155, hem=float(rng.uniform(-0.74, -0.4)), flare=0.9)
        lower = replace(lower, offset=0.010, name="dress skirt")
        fold = float(rng.uniform(0.3, 1.0))
        plain = replace(look, motif=None, back=None, fasten="", pockets="")
        return [Worn(upper, look, fold), Worn(lower, replace(plain, belt=bool(rng.random() < 0.4)), fold)]

    def _outer(self) -> list[Worn]:
        rng = self.rng
        kind = rng.choice(
            ["jacket", "blazer", "cardigan", "coat", "zipped", "waistcoat"], p=[0.22, 0.2, 0.18, 0.22, 0.12, 0.06]
        )
        look = self._look()
        is_open = bool(rng.random() < 0.6) or kind == "cardigan"
        collar = {
            "jacket": "stand",
            "blazer": "lapel",
            "cardigan": "",
            "coat": "lapel",
            "zipped": "hood",
            "waistcoat": "",
        }[str(kind)]
        hem = float(rng.uniform(-0.08, 0.02))
        sleeve = 0.0 if kind == "waistcoat" else patterns.LONG
        open_to = float(rng.uniform(0.015, 0.075)) if is_open else None
        lapel = float(rng.uniform(0.22, 0.45)) if collar in ("lapel", "") and not is_open else None
        material = LEATHER if kind == "jacket" and rng.random() < 0.35 else CLOTH
        offset = float(rng.uniform(0.020, 0.028))
        upper = patterns.top(
            self.model,
            label=BodyPart.OUTER,
            name=str(kind),
            sleeve=sleeve,
            hem=0.08 if kind == "coat" else hem,
            loose=0.06 if kind == "coat" else float(rng.uniform(0.03, 0.14)),
            sleeve_wide=float(rng.uniform(1.12, 1.3)),
            depth=0.0,
            width=0.10,
            offset=offset,
            smooth=24,
            collar=collar,
            open_to=open_to,
            lapel=lapel,
            material=material,
        )
        fasten = {"jacket": "zip", "zipped": "zip"}.get(str(kind), "buttons")
        look = replace(
            look, fasten="" if is_open else fasten, pockets="sides" if rng.random() < 0.6 else "", motif=None
        )
        if material is LEATHER:
            look = self._plain(0.9, leather=True)
        fold = float(rng.uniform(0.4, 1.0))
        worn = [Worn(upper, look, fold)]
        if kind == "coat":
            lower = patterns.skirt(
                self.model,
                waist=0.16,
                hem=float(rng.uniform(-0.48, -0.18)),
                flare=float(rng.uniform(0.95, 1.2)),
                offset=offset,
                label=BodyPart.OUTER,
                name="coat tails",
                open_to=open_to,
            )
            worn.append(
                Worn(
                    replace(lower, offset=offset + 0.004),
                    replace(look, fasten="", pockets="", belt=bool(rng.random() < 0.4 and not is_open)),
                    fold,
                )
            )
        return worn

    def _tights(self) -> Worn:
        garment = patterns.trousers(
            self.model, hem=-0.80, waist=0.10, thigh=1.0, ankle=1.0, offset=0.002, smooth=0, under=0.014, name="tights"
        )
        return Worn(garment, self._plain(0.8), 0.0)

    def _plain(self, quiet: float, leather: bool = False) -> Look:
        colour = np.float32(self.colour(quiet))
        if leather:
            colour = (
                np.float32([0.05, 0.035, 0.025]) * self.rng.uniform(0.3, 4) * np.exp(self.rng.normal(0, 0.25, 3))
                if self.rng.random() < 0.7
                else colour
            )
        ink = np.stack([self.colour(0.4) for _ in range(3)])
        return Look(colour.astype(np.float32), np.float32(ink), seed=int(self.rng.integers(1 << 31)))

    def _look(self) -> Look:
        rng = self.rng
        look = self._plain(0.5)
        if rng.random() < 0.28:
            look = replace(look, tile=self.fabric(), dyed=bool(rng.random() < 0.6))
        elif rng.random() < 0.22:
            look = replace(look, pattern="all")
        return look

    def _printed(self, look: Look, chance: float) -> Look:
        """With a picture in front, seldom one behind, now and then a front of another cloth than the back."""
        rng = self.rng
        if rng.random() < chance:
            wide = float(rng.uniform(0.05, 0.30))
            look = replace(look, motif=(wide, float(rng.uniform(0.30, 0.42))))
            if rng.random() < 0.2:
                look = replace(look, back=(float(rng.uniform(0.1, 0.3)), float(rng.uniform(0.32, 0.45))))
        elif rng.random() < 0.2:
            look = replace(look, pattern=str(rng.choice(["front", "back"], p=[0.8, 0.2])))
        if rng.random() < 0.2:
            look = replace(look, bands=True)
        return look
