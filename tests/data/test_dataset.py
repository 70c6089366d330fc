from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dinar.data.dataset import Augmentation, MultiView, augmented
from dinar.errors import InputError

SIZE = (48, 40)


def _png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def _write(path: Path, people: range, *, poses: tuple[int, ...] = (0, 1, 0, 1)) -> Path:
    """A shard of made-up people: a grey disc on black, its grey the person's number and its red the view's."""
    rng = np.random.default_rng(0)
    with tarfile.open(path, "w") as tar:
        for number in people:
            entries = [
                {"pose": pose, "K": [[50, 0, 20], [0, 50, 24], [0, 0, 1]], "R": np.eye(3).tolist(), "t": [0, 0, 2],
                 "size": SIZE}
                for pose in poses
            ]  # fmt: skip
            posed = [
                {"pose": rng.normal(0, 0.1, (4, 3)).tolist(), "expression": [0.0, 0.5], "translation": [0.0, 0.0, 0.0]}
                for _ in range(max(poses) + 1)
            ]
            facts = {"shape": rng.normal(0, 1, 5).tolist(), "poses": posed, "views": entries}
            files = {"json": json.dumps(facts).encode()}
            for k in range(len(poses)):
                mask = np.zeros(SIZE, np.uint8)
                cv2.circle(mask, (20, 24), 12, 255, -1)
                image = np.stack([mask // 255 * v for v in (10 * number, 10 * number, 60 + 10 * k)], axis=2)
                files[f"{k:03d}.image.jpg"] = _png(image)
                files[f"{k:03d}.mask.png"] = _png(mask)
            for name, content in files.items():
                entry = tarfile.TarInfo(f"{number:06d}.{name}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return path


@pytest.fixture
def folder(tmp_path):
    _write(tmp_path / "people-00000.tar", range(3))
    _write(tmp_path / "people-00001.tar", range(3, 5))
    return tmp_path


def _same(first, second):
    views = ((getattr(pair, name) for pair in (first, second)) for name in ("source", "target"))
    return first.person == second.person and all(
        torch.equal(a.image, b.image)
        and torch.equal(a.mask, b.mask)
        and torch.equal(a.body.pose, b.body.pose)
        and torch.equal(a.body.shape, b.body.shape)
        for a, b in views
    )


def _number(view):
    return round(float(view.image[1, 24, 20]) * 25.5)


def test_pairs_are_two_poses_of_one_person(folder):
    data = MultiView(folder)
    for position in range(20):
        pair = data[position]
        assert pair.source.image.shape == (3, *SIZE) and pair.source.mask.shape == (1, *SIZE)
        assert pair.source.camera.size == SIZE and pair.source.body.pose.shape == (1, 4, 3)
        assert _number(pair.source) == _number(pair.target) == int(pair.person)
        assert not torch.equal(pair.source.body.pose, pair.target.body.pose)
        assert torch.equal(pair.source.body.shape, pair.target.body.shape)


def test_each_round_has_everybody_once_in_a_new_order(folder):
    data = MultiView(folder)
    rounds = [[data[len(data) * k + j].person for j in range(len(data))] for k in range(4)]
    assert all(sorted(order) == sorted(rounds[0]) for order in rounds) and len(set(rounds[0])) == 5
    assert len({tuple(order) for order in rounds}) > 1


def test_position_and_seed_say_it_all(folder):
    """A second process that starts at position 7 sees what the first one sees there."""
    how = Augmentation()
    first, second = MultiView(folder, seed=3, augmentation=how), MultiView(folder, seed=3, augmentation=how)
    seen = [pair for _, pair in zip(range(9), first.stream(), strict=False)]
    stream = second.stream(7)
    assert _same(seen[7], next(stream)) and _same(seen[8], next(stream))
    other = MultiView(folder, seed=4, augmentation=how).stream()
    assert not all(_same(a, b) for a, b in zip(seen, other, strict=False))


def test_single_shards_and_many_folders(folder):
    assert len(MultiView(folder / "people-00001.tar")) == 2
    assert len(MultiView(folder / "people-00001.tar", folder)) == 7


def test_colours_change_alike_and_the_target_is_clean(folder):
    plain, worse = MultiView(folder)[4], MultiView(folder, augmentation=Augmentation(colour=0.3))[4]
    assert not torch.equal(worse.target.image, plain.target.image)
    inside = plain.target.mask[0] == 1
    gain = (worse.target.image / plain.target.image.clamp(min=1e-3))[:, inside]
    assert (gain.std(1) < 1e-4).all()
    for name in ("pose", "shape", "translation", "expression"):
        assert torch.equal(getattr(worse.target.body, name), getattr(plain.target.body, name))
        assert not torch.equal(getattr(worse.source.body, name), getattr(plain.source.body, name))
    assert torch.equal(worse.target.mask, plain.target.mask)
    assert torch.equal(worse.source.camera.K, plain.source.camera.K)


def test_nothing_switched_on_changes_nothing(folder):
    pair = MultiView(folder)[2]
    off = Augmentation(colour=0, noise=0, blur=0, jpeg=0, mask=0, pose=0, shape=0, expression=0, place=0)
    assert _same(pair, augmented(pair, off, np.random.default_rng(0)))


def test_a_masks_edge_wanders_within_its_bound(folder):
    pair = MultiView(folder)[0]
    how = Augmentation(mask=0.05)  # 2.4 pixels of 48
    shares = []
    for seed in range(12):
        found = augmented(pair, how, np.random.default_rng(seed)).source.mask[0].numpy()
        true = pair.source.mask[0].numpy().astype(np.uint8)
        far = cv2.dilate(true, np.ones((9, 9))) == 0, cv2.erode(true, np.ones((9, 9))) == 1
        assert found[far[0]].max() == 0 and found[far[1]].min() == 1
        shares.append(found.mean() / true.mean())
    assert min(shares) < 1 < max(shares)


def test_fit_noise_has_the_size_it_says(folder):
    pair = MultiView(folder)[0]
    how = replace(Augmentation(), pose=2.0, shape=0.3)
    bodies = [augmented(pair, how, np.random.default_rng(seed)).source.body for seed in range(300)]
    shape = torch.cat([body.shape for body in bodies]) - pair.source.body.shape
    pose = torch.cat([body.pose for body in bodies]) - pair.source.body.pose
    assert 0.25 < shape.std() < 0.35
    assert 0.8 < pose[:, 1:].abs().median() / np.radians(2.0) / 0.6745 < 1.3


def test_damaged_shards_are_named(folder):
    whole = (folder / "people-00001.tar").read_bytes()
    path = folder / "people-00001.tar"
    for damage in (b"", b"no tar at all" * 100, whole[:700], whole[: len(whole) // 2]):
        path.write_bytes(damage)
        with pytest.raises(InputError, match=r"people-00001\.tar is damaged"):
            MultiView(folder)
    for word in (b'"views"', b"PNG"):
        path.write_bytes(whole.replace(word, word[::-1]))
        data = MultiView(folder)
        with pytest.raises(InputError, match=r"people-00001\.tar is damaged at 00000[34]"):
            [data[position] for position in range(len(data))]


def test_folders_that_are_no_data(tmp_path):
    with pytest.raises(InputError, match="holds no shards"):
        MultiView(tmp_path)
    with pytest.raises(InputError, match="one pose only"):
        MultiView(_write(tmp_path / "a.tar", range(1), poses=(0, 0)))[0]
