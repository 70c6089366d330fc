"""Makes the two small sets that `dinar evaluate synthetic` and `dinar evaluate valid` take where no data are given.

    python tools/build_sets.py --assets ../shared/assets [NAME...]

Made-up people and rigged ones on whom nothing is trained, as shards in `src/dinar/evaluate/data`; some minutes each.
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
import numpy as np
import torch
from torch import Tensor

from dinar import images
from dinar.evaluate.cases import Target
from dinar.evaluate.protocols import SHIPPED
from dinar.evaluate.rigged import Rigged
from dinar.evaluate.studies import Sitting, studies
from dinar.files import atomic_file
from dinar.synth.places import studio
from dinar.synth.poses import random_body
from dinar.synth.shards import Plan, light_and_lens, made_up, write_shards
from dinar.synth.studio import arrange, illuminate
from dinar.synth.view import View
from dinar.synth.wardrobe import Wardrobe

PEOPLE = Plan(people=8, views=6, seed=2000)      # the training's seeds are 1 and 1000
POSED = 4                                        # views of rigged people in new poses
SHARD = "people-00000.tar"
QUALITY = 92


def synthetic(assets: Path) -> Path:
    """`dinar synth` with the plan above, without its sheet, and studies of the same people in the same light."""
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        (shard,) = write_shards(assets, Path(folder) / "set", PEOPLE, workers=1)
        with tarfile.open(shard) as there, tarfile.open(fileobj=content, mode="w") as tar:
            files = {member.name: there.extractfile(member).read() for member in there}
            for number in range(PEOPLE.people):
                key = f"{number:06d}"
                own = {name: data for name, data in files.items() if name.startswith(f"{key}.")}
                _write(tar, _with_studies(key, own, _sitting(assets, number)))
    return _kept(content.getvalue(), "synthetic")


def _sitting(assets: Path, number: int) -> Sitting:
    """A made-up person in the light of their other pictures, before a studio's paper, as light as those are."""
    wardrobe = Wardrobe(assets)
    rng = np.random.default_rng([PEOPLE.seed, number, 11])
    person = made_up(wardrobe, PEOPLE, number)
    light, lens = light_and_lens(rng)
    motions = tuple(sorted((wardrobe.root / "poses").glob("*.bvh")))
    first = random_body(person, rng, lively=0.5, motions=motions)      # by which all of the person's are exposed
    return Sitting(person, light, studio(), lens, illuminate(arrange(person, first), light).meter)


def _with_studies(key: str, own: dict[str, bytes], sitting: Sitting) -> list[tuple[str, bytes]]:
    """A person's files of `dinar synth`, followed by studies."""
    facts = json.loads(own.pop(f"{key}.json"))
    files = list(own.items())
    for study in studies(sitting, sides={"front": 0.0, "left": 90.0, "back": 180.0}):
        number = len(facts["views"])
        body = {n: getattr(study.view.body, n)[0].tolist() for n in ("pose", "expression", "translation")}
        if body not in facts["poses"]:
            facts["poses"].append(body)
        entry = {"pose": facts["poses"].index(body), **_camera(study.view), "name": study.name, "kind": study.kind}
        facts["views"].append(entry)
        files += _pictures(key, number, study.view)
    return [(f"{key}.json", json.dumps(facts).encode()), *files]


def valid(assets: Path) -> Path:
    """`dinar evaluate valid --data assets/valid/dev`, its pictures kept."""
    content = io.BytesIO()
    cases = Rigged(assets / "valid" / "dev", views=POSED)
    with tarfile.open(fileobj=content, mode="w") as tar:
        for number, person in enumerate(cases.people):
            _write(tar, _sample(f"{number:06d}", person, cases.case(person).targets))
    path = _kept(content.getvalue(), "valid")
    shutil.copyfile(assets / "valid" / "LICENSE", path.parent / "LICENSE")
    return path


def _sample(key: str, person: str, targets: tuple[Target, ...]) -> list[tuple[str, bytes]]:
    """A person's files as `dinar synth` names them; the input, the view from behind and new poses first."""
    poses: list[Tensor] = []
    entries, files, bodies = [], [], []
    for k, target in enumerate(targets):
        view = target.view
        pose = next((i for i, known in enumerate(poses) if torch.equal(known, view.body.pose)), len(poses))
        if pose == len(poses):
            poses.append(view.body.pose)
            bodies.append({n: getattr(view.body, n)[0].tolist() for n in ("pose", "expression", "translation")})
        purpose = {"name": target.name, "kind": target.kind} if k >= POSED + 2 else {}
        entries.append({"pose": pose, **_camera(view), **purpose})
        files += _pictures(key, k, view)
    shape = targets[0].view.body.shape[0].tolist()
    facts = {"model": "open", "wears": person, "shape": shape, "poses": bodies, "views": entries}
    return [(f"{key}.json", json.dumps(facts).encode()), *files]


def _camera(view: View) -> dict:
    return {**{name: getattr(view.camera, name).tolist() for name in "KRt"}, "size": list(view.camera.size)}


def _pictures(key: str, number: int, view: View) -> list[tuple[str, bytes]]:
    files = [
        (f"{key}.{number:03d}.image.jpg", _coded(".jpg", view.image, cv2.IMWRITE_JPEG_QUALITY, QUALITY)),
        (f"{key}.{number:03d}.mask.png", _coded(".png", view.mask, cv2.IMWRITE_PNG_COMPRESSION, 9)),
    ]
    if view.parts is not None:
        labels = _coded(".png", view.parts[None].float() / 255, cv2.IMWRITE_PNG_COMPRESSION, 9)
        files.append((f"{key}.{number:03d}.parts.png", labels))
    return files


def _write(tar: tarfile.TarFile, files: list[tuple[str, bytes]]) -> None:
    for name, data in files:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))


def _coded(suffix: str, image: Tensor, *options: int) -> bytes:
    pixels = images.to_bytes(image)
    return cv2.imencode(suffix, pixels[..., ::-1] if pixels.shape[2] == 3 else pixels, options)[1].tobytes()


def _kept(content: bytes, name: str) -> Path:
    path = SHIPPED / name / SHARD
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)
    return path


BUILDS = {"synthetic": synthetic, "valid": valid}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, required=True, help="the folder of makehuman_cc0, fabric and valid")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BUILDS)}; default: both")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BUILDS):
        parser.error(f"no set is called {', '.join(sorted(unknown))}")
    for name in options.names or BUILDS:
        path = BUILDS[name](options.assets)
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
