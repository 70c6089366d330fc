"""Builds `src/dinar/fit/data/shapes.npz` from `src/dinar/synth/data/people.npz`: shapes of women, men and children.

    python tools/build_shape_prior.py

It has to be built again after `tools/build_people.py`. The file holds

    female      float32 [S]      the mean shape of women
    male        float32 [S]      of men
    covariance  float32 [S, S]   of people of either about their mean, drawn a fifth of the way to its diagonal
    child, child_covariance      the same of children of both sexes from 3 to 14
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1] / "src/dinar"
OUTPUT = ROOT / "fit/data/shapes.npz"
SHRINKAGE = 0.2     # 600 people are few for 100 x 100 numbers


def main() -> None:
    people = np.load(ROOT / "synth/data/people.npz", allow_pickle=False)
    shape, women = people["shape"].astype(np.float64), people["female"]
    female, male = shape[women].mean(0), shape[~women].mean(0)
    rest = shape - np.where(women[:, None], female, male)
    children = people["child"].astype(np.float64)
    child = children.mean(0)
    OUTPUT.parent.mkdir(exist_ok=True)
    arrays = {"female": female, "male": male, "covariance": covariance(rest)}
    arrays |= {"child": child, "child_covariance": covariance(children - child)}
    np.savez_compressed(OUTPUT, **{name: values.astype(np.float32) for name, values in arrays.items()})
    counts = f"{women.sum()} women, {(~women).sum()} men, {len(children)} children"
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size / 1e3:.0f} kB, of {counts}")


def covariance(rest: np.ndarray) -> np.ndarray:
    """Of departures [N, S] from a mean."""
    found = rest.T @ rest / len(rest)
    return found + SHRINKAGE * (np.diag(found.diagonal()) - found)


if __name__ == "__main__":
    main()
