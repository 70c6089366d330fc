"""How weights are packed as they ship: float16 or eight bits, with model card, curves and samples."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cards
import painter_cards
import torch
from PIL import Image
from torch import Tensor, nn

from dinar import presets
from dinar.errors import InputError
from dinar.files import atomic_file, atomic_folder
from dinar.inpainting.inpainter import Inpainter
from dinar.networks import pretrained
from dinar.networks.appearance import Appearance
from dinar.networks.denoiser import Denoiser
from dinar.networks.detailer import Detailer
from dinar.networks.lifter import LandmarkLifter
from dinar.networks.parser import HumanParser
from dinar.networks.pretrained import digest
from dinar.presets import Preset
from dinar.train import loop

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

VIEWS = 8       # that a person is shown in
FOLDERS = {"appearance": "run"} | {name: name for name in ("autoencoder", "finetune", "inpainting", "parser", "slim")}


def pack(
    state: Path,
    out: Path,
    machine: str,                         # that trained, for the model card
    stage: Literal["appearance", "denoiser", "detailer", "inpainting", "lifter", "parser", "slim"] = "appearance",
    extra: tuple[Path, ...] = (),         # as of `run`
    preset: str = "small",
    remark: str = "",                     # what else the card should say of the training
    learnt_from: str = "",                # all but appearance and inpainting: the data with their licences
    textures: str = "",                   # what its encoder and generator learnt from, with how many steps and hours
    measured: str = "",                   # what benchmarks/parser.py printed
    share: float = 1.0,                   # slim: of the new weights; the rest are those that it went on from
) -> None:
    """The averaged weights, with a model card, as they ship; with the inpainting's the appearance that it goes with.

    Of all but appearance and inpainting `state` is the run itself.
    """
    if stage not in ("appearance", "inpainting") and not learnt_from:
        raise InputError(f"weights of the stage {stage} ship with what they learnt from; give --learnt-from")
    how = _How(state, out, machine, extra, preset, remark, learnt_from, textures, measured, share)
    PACKED[stage](how)


@dataclass(frozen=True)
class _How:
    """The arguments of `pack` but for the stage."""

    state: Path
    out: Path
    machine: str
    extra: tuple[Path, ...]
    preset: str
    remark: str
    learnt_from: str
    textures: str
    measured: str
    share: float

    @property
    def sizes(self) -> Preset:
        return presets.PRESETS[self.preset]

    @property
    def weights(self) -> Path:
        return self.state / loop.WEIGHTS


def _pack_inpainting(how: _How) -> None:
    found = Inpainter.load(how.state / FOLDERS["inpainting"] / loop.WEIGHTS)
    tuned = how.state / FOLDERS["finetune"] / loop.WEIGHTS / "appearance"
    if tuned.exists() and Appearance.load(tuned).name == found.appearance:
        for path in sorted(tuned.rglob("*")):          # the card beside them stays
            if path.is_file():
                shutil.copyfile(path, how.out / "appearance" / path.relative_to(tuned))
    if Appearance.load(how.out / "appearance").name != found.appearance:
        raise InputError(f"{how.out} has other appearance weights than {found.appearance}; pack those first")
    logs = {}
    for name in ("autoencoder", "finetune", "inpainting"):
        path = how.state / FOLDERS[name] / loop.LOG
        if path.exists():
            logs[name] = _log(path.parent)
    with atomic_folder(how.out / "inpainting", marker="inpainting.json") as fresh:
        shutil.copytree(how.state / FOLDERS["inpainting"] / loop.WEIGHTS, fresh, dirs_exist_ok=True)
        pretrained.save(fresh / "denoiser", found.denoiser, how.sizes.denoiser, eight_bits=True)
        for name in ("autoencoder", "inpainting"):
            _save_picture(how.state / FOLDERS[name], fresh / f"{name}.webp")
            losses = ("texture", "texture_lpips") if name == "autoencoder" else ("loss",)
            (fresh / f"{name}.svg").write_text(cards.curves(logs[name], losses), encoding="utf-8")
        card = painter_cards.of_painter(found, how.sizes, how.machine, how.remark, logs)
        (fresh / "README.md").write_text(card, encoding="utf-8")


def _log(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / loop.LOG).read_text(encoding="utf-8").splitlines()]


def _pack_lifter(how: _How) -> None:
    lines = _log(how.state)
    found = LandmarkLifter.load(how.weights)
    with atomic_folder(how.out / "lifter", marker="lifter.json") as fresh:
        shutil.copytree(how.weights, fresh, dirs_exist_ok=True)
        _save_picture(how.state, fresh / "samples.webp")
        (fresh / "curves.svg").write_text(cards.curves(lines, ("apart_mm",)), encoding="utf-8")
        card = cards.of_lifter(found, lines, how.machine, how.learnt_from, how.remark)
        (fresh / "README.md").write_text(card, encoding="utf-8")


def _pack_parser(how: _How) -> None:
    lines = _log(how.state)
    found = HumanParser.load(how.weights)
    with atomic_folder(how.out / "parser", marker="parser.json") as fresh:
        shutil.copytree(how.weights, fresh, dirs_exist_ok=True)
        (fresh / "curves.svg").write_text(cards.curves(lines, ("loss",)), encoding="utf-8")
        card = cards.of_parser(found, lines, how.machine, how.learnt_from, how.remark, how.measured)
        (fresh / "README.md").write_text(card, encoding="utf-8")


def _pack_denoiser(how: _How) -> None:
    """It takes the place of the one that ships, beside the same autoencoder; a detailer stays."""
    painter = how.out / "inpainting"
    had, found = Inpainter.load(painter), Inpainter.load(how.weights)
    if digest(found.autoencoder) != digest(had.autoencoder):
        raise InputError(f"{how.state} has another autoencoder than {painter}; pack both with --stage inpainting")

    def joined(packed: Path) -> Inpainter:
        plain = Inpainter.named(how.preset, had.appearance, had.autoencoder, pretrained.load(packed, Denoiser))
        return plain if had.detailer is None else plain.detailed(had.detailer)

    _join(how, "denoiser", found.denoiser, how.sizes.denoiser, joined, painter_cards.of_denoiser, ("loss",))


def _pack_detailer(how: _How) -> None:
    """It joins the painter that ships, whose name changes with it."""
    had, found = Inpainter.load(how.out / "inpainting"), pretrained.load(how.weights, Detailer)
    losses = ("total", "l1", "means", "lpips")
    _join(
        how, "detailer", found, how.sizes.detailer, lambda _: had.detailed(found), painter_cards.of_detailer, losses
    )


def _join(
    how: _How,
    part: str,
    network: nn.Module,
    config: DataclassInstance,
    joined: Callable[[Path], Inpainter],      # the painter with what is packed in a folder
    card_of: Callable[..., str],
    losses: tuple[str, ...],                  # whose curves are shown
) -> None:
    """A network takes its place in the painter that ships, in eight bits."""
    painter, lines = how.out / "inpainting", _log(how.state)
    had = Inpainter.load(painter)
    with atomic_folder(painter / part, marker="config.json") as fresh:
        pretrained.save(fresh, network, config, eight_bits=True)
        found = joined(fresh)
        _save_picture(how.state, fresh / "samples.webp")
        (fresh / "curves.svg").write_text(cards.curves(lines, losses), encoding="utf-8")
        card = card_of(found, how.sizes, how.machine, how.learnt_from, how.remark, lines)
        (fresh / "README.md").write_text(card, encoding="utf-8")
    _rename(painter, had, found)


def _rename(painter: Path, had: Inpainter, found: Inpainter) -> None:
    """The painter's name is that of other weights from now on."""
    facts = {"name": found.name, "appearance": found.appearance} | ({"plain": found.plain} if found.plain else {})
    with atomic_file(painter / "inpainting.json") as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    names = {had.name: found.name} | ({had.plain: found.plain} if had.plain and found.plain else {})
    for path in (painter / "README.md", painter / "detailer" / "README.md"):
        if path.exists():
            card = path.read_text(encoding="utf-8")
            for before, since in names.items():
                for says in ("# {}:", "# The detailer of {}", "the denoiser {}"):
                    card = card.replace(says.format(before), says.format(since))
            with atomic_file(path) as temporary:
                temporary.write_text(card, encoding="utf-8")


def _pack_slim(how: _How) -> None:
    """The small renderer takes the place of that in `out`. Textures stay, and so does what paints them."""
    if not how.textures:
        raise InputError("a small renderer ships with what its textures learnt from; give --textures")
    had, found = (Appearance.load(folder) for folder in (how.out / "appearance", how.weights))
    if digest(had.encoder, had.generator) != digest(found.encoder, found.generator):
        raise InputError(f"{how.state} learnt from other textures than those of {had.name}")
    lines = _log(how.state)
    sizes, theirs, share = how.sizes, f"; they learnt from {how.textures}", how.share
    if share < 1:
        found.renderer.load_state_dict(_between(had.renderer, found.renderer, share))
        found = Appearance.named(how.preset, found.encoder, found.generator, found.renderer)
    first = (had.follows or (had.name,))[-1]    # the large one, even if small ones took its place before
    told = how.machine, how.learnt_from, how.remark
    card = cards.of_slim(found, first, had.name, share, sizes, *told, lines, theirs)
    with atomic_folder(how.out / "appearance", marker="appearance.json") as fresh:
        follows = tuple(dict.fromkeys([had.name, *had.follows]))
        for part, config in (("encoder", sizes.encoder), ("generator", sizes.generator), ("renderer", sizes.slim)):
            pretrained.save(fresh / part, getattr(found, part), config)
        facts = {"name": found.name, "follows": " ".join(follows)}
        (fresh / "appearance.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        _save_picture(how.state, fresh / "samples.webp")
        curves = cards.curves(lines, ("total", "taught", "lpips", "l2", "means"))
        (fresh / "curves.svg").write_text(curves, encoding="utf-8")
        (fresh / "README.md").write_text(card, encoding="utf-8")
    marker = how.out / "inpainting" / "inpainting.json"
    facts = json.loads(marker.read_text(encoding="utf-8")) if marker.exists() else {}
    if facts.get("appearance") == had.name:
        with atomic_file(marker) as temporary:
            temporary.write_text(json.dumps(facts | {"appearance": found.name}, indent=2) + "\n", encoding="utf-8")
        card = marker.with_name("README.md")
        lines = card.read_text(encoding="utf-8").splitlines()
        goes = painter_cards.goes_with(found.name, first)
        lines = [goes if line.startswith(painter_cards.GOES) else line for line in lines]
        with atomic_file(card) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _between(before: nn.Module, after: nn.Module, share: float) -> dict[str, Tensor]:
    """Weights between those of two networks, `share` of the way."""
    had, found = before.state_dict(), after.state_dict()
    if [values.shape for values in had.values()] != [values.shape for values in found.values()]:
        raise InputError("only weights of the same sizes can be mixed")
    return {n: torch.lerp(had[n], v, share) if v.is_floating_point() else v for n, v in found.items()}


def _pack_appearance(how: _How) -> None:
    run = how.state / "run"
    lines = _log(run)
    looked = [line for line in lines if "examined/psnr" in line]
    with atomic_folder(how.out / "appearance", marker="appearance.json") as fresh:
        shutil.copytree(run / loop.WEIGHTS, fresh, dirs_exist_ok=True)
        _save_picture(run, fresh / "samples.webp")
        (fresh / "curves.svg").write_text(cards.curves(lines, ("total", "lpips", "l2", "dice")), encoding="utf-8")
        card = cards.of_appearance(how.state, VIEWS, how.preset, how.machine, how.extra, how.remark, lines, looked)
        (fresh / "README.md").write_text(card, encoding="utf-8")


def _save_picture(run: Path, path: Path) -> None:
    """The last samples of a run, half as large."""
    grid = Image.open(sorted((run / loop.SAMPLES).iterdir())[-1])
    grid = grid.resize((grid.width // 2, grid.height // 2), Image.Resampling.LANCZOS)
    grid.save(path, quality=80)


PACKED = {
    "appearance": _pack_appearance,
    "denoiser": _pack_denoiser,
    "detailer": _pack_detailer,
    "inpainting": _pack_inpainting,
    "lifter": _pack_lifter,
    "parser": _pack_parser,
    "slim": _pack_slim,
}
