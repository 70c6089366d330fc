"""How weights are packed as they ship: float16 or eight bits, with model card, curves and samples."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Literal

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
from dinar.train import loop

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
    if stage == "slim":
        _pack_slim(state, out, machine, learnt_from, textures, preset, remark, share)
        return
    if stage in ("denoiser", "detailer", "lifter", "parser") and not learnt_from:
        raise InputError(f"a {stage} ships with what it learnt from; give --learnt-from")
    if stage == "denoiser":
        _pack_denoiser(state, out, machine, learnt_from, preset, remark)
        return
    if stage == "detailer":
        _pack_detailer(state, out, machine, learnt_from, preset, remark)
        return
    if stage == "lifter":
        _pack_lifter(state, out, machine, learnt_from, remark)
        return
    if stage == "parser":
        _pack_parser(state, out, machine, learnt_from, measured, remark)
        return
    if stage == "appearance":
        _pack_appearance(state, out, machine, extra, preset, remark)
        return
    found = Inpainter.load(state / FOLDERS[stage] / loop.WEIGHTS)
    tuned = state / FOLDERS["finetune"] / loop.WEIGHTS / "appearance"
    if tuned.exists() and Appearance.load(tuned).name == found.appearance:
        for path in sorted(tuned.rglob("*")):          # the card beside them stays
            if path.is_file():
                shutil.copyfile(path, out / "appearance" / path.relative_to(tuned))
    if Appearance.load(out / "appearance").name != found.appearance:
        raise InputError(f"{out} has other appearance weights than {found.appearance}; pack those first")
    logs = {}
    for name in ("autoencoder", "finetune", "inpainting"):
        path = state / FOLDERS[name] / loop.LOG
        if path.exists():
            logs[name] = _log(path.parent)
    with atomic_folder(out / "inpainting", marker="inpainting.json") as fresh:
        shutil.copytree(state / FOLDERS[stage] / loop.WEIGHTS, fresh, dirs_exist_ok=True)
        pretrained.save(fresh / "denoiser", found.denoiser, presets.PRESETS[preset].denoiser, eight_bits=True)
        for name in ("autoencoder", "inpainting"):
            _save_picture(sorted((state / FOLDERS[name] / loop.SAMPLES).iterdir())[-1], fresh / f"{name}.webp")
            losses = ("texture", "texture_lpips") if name == "autoencoder" else ("loss",)
            (fresh / f"{name}.svg").write_text(cards.curves(logs[name], losses), encoding="utf-8")
        card = painter_cards.of_painter(found, presets.PRESETS[preset], machine, remark, logs)
        (fresh / "README.md").write_text(card, encoding="utf-8")


def _log(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / loop.LOG).read_text(encoding="utf-8").splitlines()]


def _pack_lifter(run: Path, out: Path, machine: str, learnt_from: str, remark: str) -> None:
    lines = _log(run)
    found = LandmarkLifter.load(run / loop.WEIGHTS)
    with atomic_folder(out / "lifter", marker="lifter.json") as fresh:
        shutil.copytree(run / loop.WEIGHTS, fresh, dirs_exist_ok=True)
        _save_picture(sorted((run / loop.SAMPLES).iterdir())[-1], fresh / "samples.webp")
        (fresh / "curves.svg").write_text(cards.curves(lines, ("apart_mm",)), encoding="utf-8")
        card = cards.of_lifter(found, lines, machine, learnt_from, remark)
        (fresh / "README.md").write_text(card, encoding="utf-8")


def _pack_parser(run: Path, out: Path, machine: str, learnt_from: str, measured: str, remark: str) -> None:
    lines = _log(run)
    found = HumanParser.load(run / loop.WEIGHTS)
    with atomic_folder(out / "parser", marker="parser.json") as fresh:
        shutil.copytree(run / loop.WEIGHTS, fresh, dirs_exist_ok=True)
        (fresh / "curves.svg").write_text(cards.curves(lines, ("loss",)), encoding="utf-8")
        card = cards.of_parser(found, lines, machine, learnt_from, remark, measured)
        (fresh / "README.md").write_text(card, encoding="utf-8")


def _pack_denoiser(run: Path, out: Path, machine: str, learnt_from: str, preset: str, remark: str) -> None:
    """It takes the place of the one that ships, beside the same autoencoder; a detailer stays."""
    painter, lines = out / "inpainting", _log(run)
    had, found = Inpainter.load(painter), Inpainter.load(run / loop.WEIGHTS)
    if digest(found.autoencoder) != digest(had.autoencoder):
        raise InputError(f"{run} has another autoencoder than {painter}; pack both with --stage inpainting")
    with atomic_folder(painter / "denoiser", marker="config.json") as fresh:
        pretrained.save(fresh, found.denoiser, presets.PRESETS[preset].denoiser, eight_bits=True)
        packed = pretrained.load(fresh, Denoiser)
        plain = Inpainter.named(preset, had.appearance, had.autoencoder, packed)
        with_it = plain if had.detailer is None else plain.detailed(had.detailer)
        _save_picture(sorted((run / loop.SAMPLES).iterdir())[-1], fresh / "samples.webp")
        (fresh / "curves.svg").write_text(cards.curves(lines, ("loss",)), encoding="utf-8")
        card = painter_cards.of_denoiser(with_it, presets.PRESETS[preset], machine, learnt_from, remark, lines)
        (fresh / "README.md").write_text(card, encoding="utf-8")
    _rename(painter, had, with_it)


def _pack_detailer(run: Path, out: Path, machine: str, learnt_from: str, preset: str, remark: str) -> None:
    """It joins the painter that ships, whose name changes with it."""
    painter, lines = out / "inpainting", _log(run)
    had, found = Inpainter.load(painter), pretrained.load(run / loop.WEIGHTS, Detailer)
    with_it = had.detailed(found)
    with atomic_folder(painter / "detailer", marker="config.json") as fresh:
        pretrained.save(fresh, found, presets.PRESETS[preset].detailer, eight_bits=True)
        _save_picture(sorted((run / loop.SAMPLES).iterdir())[-1], fresh / "samples.webp")
        (fresh / "curves.svg").write_text(cards.curves(lines, ("total", "l1", "means", "lpips")), encoding="utf-8")
        card = painter_cards.of_detailer(with_it, presets.PRESETS[preset], machine, learnt_from, remark, lines)
        (fresh / "README.md").write_text(card, encoding="utf-8")
    _rename(painter, had, with_it)


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


def _pack_slim(
    run: Path, out: Path, machine: str, learnt_from: str, textures: str, preset: str, remark: str, share: float
) -> None:
    """The small renderer takes the place of that in `out`. Textures stay, and so does what paints them."""
    if not learnt_from or not textures:
        raise InputError("a small renderer ships with what it and its textures learnt from; give both")
    had, found = (Appearance.load(folder) for folder in (out / "appearance", run / loop.WEIGHTS))
    if digest(had.encoder, had.generator) != digest(found.encoder, found.generator):
        raise InputError(f"{run} learnt from other textures than those of {had.name}")
    lines = _log(run)
    sizes, theirs = presets.PRESETS[preset], f"; they learnt from {textures}"
    if share < 1:
        found.renderer.load_state_dict(_between(had.renderer, found.renderer, share))
        found = Appearance.named(preset, found.encoder, found.generator, found.renderer)
    first = (had.follows or (had.name,))[-1]    # the large one, even if small ones took its place before
    card = cards.of_slim(found, first, had.name, share, sizes, machine, learnt_from, remark, lines, theirs)
    with atomic_folder(out / "appearance", marker="appearance.json") as fresh:
        follows = tuple(dict.fromkeys([had.name, *had.follows]))
        for part, config in (("encoder", sizes.encoder), ("generator", sizes.generator), ("renderer", sizes.slim)):
            pretrained.save(fresh / part, getattr(found, part), config)
        facts = {"name": found.name, "follows": " ".join(follows)}
        (fresh / "appearance.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        _save_picture(sorted((run / loop.SAMPLES).iterdir())[-1], fresh / "samples.webp")
        (fresh / "curves.svg").write_text(cards.curves(lines, ("total", "taught", "lpips", "l2")), encoding="utf-8")
        (fresh / "README.md").write_text(card, encoding="utf-8")
    marker = out / "inpainting" / "inpainting.json"
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


def _pack_appearance(
    state: Path, out: Path, machine: str, extra: tuple[Path, ...], preset: str, remark: str
) -> None:
    run = state / "run"
    lines = _log(run)
    looked = [line for line in lines if "examined/psnr" in line]
    with atomic_folder(out / "appearance", marker="appearance.json") as fresh:
        shutil.copytree(run / loop.WEIGHTS, fresh, dirs_exist_ok=True)
        _save_picture(sorted((run / loop.SAMPLES).iterdir())[-1], fresh / "samples.webp")
        (fresh / "curves.svg").write_text(cards.curves(lines, ("total", "lpips", "l2", "dice")), encoding="utf-8")
        card = cards.of_appearance(state, VIEWS, preset, machine, extra, remark, lines, looked)
        (fresh / "README.md").write_text(card, encoding="utf-8")


def _save_picture(source: Path, path: Path) -> None:
    grid = Image.open(source)
    grid = grid.resize((grid.width // 2, grid.height // 2), Image.Resampling.LANCZOS)
    grid.save(path, quality=80)
