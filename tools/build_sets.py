"""Makes the two small sets that `dinar evaluate synthetic` and `dinar evaluate valid` take where no data are given.

    python tools/build_sets.py --assets ../shared/assets

Made-up people and rigged ones on whom nothing is trained, as shards in `src/dinar/evaluate/data`; half a minute each.
The same assets give the same bytes.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import tarfile
import tempfile
from pathlib import Path

import cv2
import torch
from torch import Tensor

from dinar import images
from dinar.evaluate.protocols import SHIPPED, Target
from dinar.evaluate.rigged import Rigged
from dinar.files import atomic_file
from dinar.synth.shards import Plan, write_shards

PEOPLE = Plan(people=8, views=6, seed=2000)      # the training's seeds are 1 and 1000
POSED = 4                                        # views of rigged people in new poses
SHARD = "people-00000.tar"
QUALITY = 92


def synthetic(assets: Path) -> Path:
    """`dinar synth` with the plan above, without its sheet."""
    with tempfile.TemporaryDirectory() as folder:
        (shard,) = write_shards(assets, Path(folder) / "set", PEOPLE, workers=1)
        return _kept(shard.read_bytes(), "synthetic")


def valid(assets: Path) -> Path:
    """`dinar evaluate valid --data assets/valid/dev`, its pictures kept."""
    content = io.BytesIO()
    cases = Rigged(assets / "valid" / "dev", views=POSED)
    with tarfile.open(fileobj=content, mode="w") as tar:
        for number, person in enumerate(cases.people):
            for name, data in _sample(f"{number:06d}", person, cases.case(person).targets):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    path = _kept(content.getvalue(), "valid")
    shutil.copyfile(assets / "valid" / "LICENSE", path.parent / "LICENSE")
    return path


def _sample(key: str, person: str, targets: tuple[Target, ...]) -> list[tuple[str, bytes]]:
    """A person's files as `dinar synth` names them."""
    poses: list[Tensor] = []
    entries, files, bodies = [], [], []
    for k, target in enumerate(targets):
        view = target.view
        pose = next((i for i, known in enumerate(poses) if torch.equal(known, view.body.pose)), len(poses))
        if pose == len(poses):
            poses.append(view.body.pose)
            bodies.append({n: getattr(view.body, n)[0].tolist() for n in ("pose", "expression", "translation")})
        camera = {name: getattr(view.camera, name).tolist() for name in "KRt"}
        entries.append({"pose": pose, **camera, "size": list(view.camera.size)})
        files += [
            (f"{key}.{k:03d}.image.jpg", _coded(".jpg", view.image, cv2.IMWRITE_JPEG_QUALITY, QUALITY)),
            (f"{key}.{k:03d}.mask.png", _coded(".png", view.mask, cv2.IMWRITE_PNG_COMPRESSION, 9)),
        ]
    shape = targets[0].view.body.shape[0].tolist()
    facts = {"model": "open", "wears": person, "shape": shape, "poses": bodies, "views": entries}
    return [(f"{key}.json", json.dumps(facts).encode()), *files]


def _coded(suffix: str, image: Tensor, *options: int) -> bytes:
    pixels = images.to_bytes(image)
    return cv2.imencode(suffix, pixels[..., ::-1] if pixels.shape[2] == 3 else pixels, options)[1].tobytes()


def _kept(content: bytes, name: str) -> Path:
    path = SHIPPED / name / SHARD
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, required=True, help="the folder of makehuman_cc0, fabric and valid")
    assets = parser.parse_args().assets
    for build in (synthetic, valid):
        path = build(assets)
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
