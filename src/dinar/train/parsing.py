"""Training of the parser: a label for each pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW

from dinar.data.labelled import Labelled, LabelledPeople, Wear
from dinar.networks.parser import HumanParser
from dinar.parts import BodyPart, palette
from dinar.presets import Preset, build_parser
from dinar.store import Store
from dinar.train.loop import Stage, Turn

LOOKED_AT = 48   # pictures that every examination parses
SHOWN = 12       # of them, that its picture shows

WEIGHTS = {BodyPart.BACKGROUND: 0.5, BodyPart.HAIR: 1.5, BodyPart.FACE_SKIN: 1.5, BodyPart.SHOES: 1.5} | {
    BodyPart.HEADWEAR: 2.0, BodyPart.GLASSES: 2.0, BodyPart.BAG: 1.5, BodyPart.DRESS: 1.2, BodyPart.OUTER: 1.2
}  # fmt: skip
"""What a pixel of a part counts in the loss; of all others 1."""


class ParserStage(Stage):
    """Learns parts from pictures with label maps; depends on no other stage.

    precision  torch.bfloat16 or torch.float32 of the network's convolutions
    """

    name = "parser"
    averaged = ("parser",)

    def __init__(
        self,
        preset: Preset,
        data: Sequence[Path],                   # folders of shards with labels, or of pictures with label maps
        *,
        seed: int = 0,
        examples: Sequence[Path] = (),          # the same that are not trained on; default: data
        wear: Wear | None = Wear(),             # noqa: B008 (frozen)
        precision: torch.dtype = torch.float32,
        store: Store | None = None,
    ) -> None:
        self.preset, self.precision, self.how = preset, precision, preset.parsing
        self.data = LabelledPeople(data, self.how.canvas, seed=seed, wear=wear)
        self.examples = LabelledPeople(examples or data, self.how.canvas, seed=seed + 1, wear=None)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            parser = build_parser(preset)
        if preset.parser.scale == 1.0:
            parser.begin_with(load_file((store or Store()).path("mobilenetv2.safetensors")))
        self.networks = {"parser": parser.to(memory_format=torch.channels_last)}
        encoder = list(parser.features.parameters())
        rest = [p for name, p in parser.named_parameters() if not name.startswith("features.")]
        groups = [{"params": encoder, "lr": self.how.encoder_learning_rate}, {"params": rest}]
        self.optimizers = {"parser": AdamW(groups, self.how.learning_rate, weight_decay=self.how.weight_decay)}
        self.weights = torch.tensor([WEIGHTS.get(BodyPart(k), 1.0) for k in range(preset.parser.parts)])

    def collate(self, samples: list[Labelled]) -> Labelled:
        return Labelled.stacked(samples)

    def learn(self, batch: Labelled, turn: Turn) -> dict[str, float]:
        """Weighted cross entropy; pixels whose part nobody can tell count as somebody's."""
        device = batch.image.device
        image = batch.image.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            logits = self.networks["parser"](image)
        labels = batch.labels.long()
        known = labels != BodyPart.UNKNOWN
        loss = functional.cross_entropy(
            logits.float(), labels, self.weights.to(device), ignore_index=int(BodyPart.UNKNOWN)
        )
        found = {"loss": float(loss.detach())}
        if not bool(known.all()):
            nobody = logits.float().log_softmax(1)[:, 0][~known].exp()
            somebody = -(1 - nobody).clamp(min=1e-4).log().sum() / known.numel()
            loss = loss + somebody
        self.update("parser", loss)
        return found

    def examine(self, averaged: Mapping[str, nn.Module]) -> tuple[dict[str, float], Tensor]:
        """Overlap of each part over pictures at the start of `examples`; each row of the picture shows some of them:
        the photo, true and found parts.
        """
        parser = averaged["parser"]
        device = next(parser.parameters()).device
        count = self.preset.parser.parts
        both, either, tiles = np.zeros(count), np.zeros(count), []
        colours = torch.from_numpy(palette()).float() / 255
        for sample in self._looked_at:
            with torch.no_grad():
                found = parser(sample.image[None].to(device)).argmax(1)[0].cpu()
            true, known = sample.labels.long(), sample.labels != BodyPart.UNKNOWN
            for part in range(count):
                one, other = (found == part) & known, true == part
                both[part] += int((one & other).sum())
                either[part] += int((one | other).sum())
            if len(tiles) < SHOWN:
                tiles.append(torch.cat([sample.image, *(colours[m].permute(2, 0, 1) for m in (true, found))], dim=2))
        facts = {BodyPart(k).name.lower(): both[k] / either[k] for k in range(count) if either[k]}
        facts["mean"] = float(np.mean([v for name, v in facts.items() if name != "background"] or [0.0]))
        while len(tiles) % 3:
            tiles.append(torch.zeros_like(tiles[0]))
        return facts, torch.cat([torch.cat(tiles[k : k + 3], dim=2) for k in range(0, len(tiles), 3)], dim=1)

    def ship(self, averaged: Mapping[str, nn.Module], folder: Path) -> None:
        HumanParser.named(self.preset.name, averaged["parser"]).save(folder, self.preset.parser)

    @cached_property
    def _looked_at(self) -> list[Labelled]:
        return [self.examples[position] for position in range(LOOKED_AT)]
