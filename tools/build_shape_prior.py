"""Builds `src/dinar/fit/data/shapes.npz` from `src/dinar/synth/data/people.npz`: what shapes women and men have.

    python tools/build_shape_prior.py

It has to be built again after `tools/build_people.py`. The file holds

    female      float32 [S]      the mean shape of women
    male        float32 [S]      of men
    covariance  float32 [S, S]   of people of either about their mean, drawn a fifth of the way to its diagonal
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
    covariance = rest.T @ rest / len(rest)
    covariance += SHRINKAGE * (np.diag(covariance.diagonal()) - covariance)
    OUTPUT.parent.mkdir(exist_ok=True)
    arrays = {"female": female, "male": male, "covariance": covariance}
    np.savez_compressed(OUTPUT, **{name: values.astype(np.float32) for name, values in arrays.items()})
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size / 1e3:.0f} kB, of {women.sum()} women and {(~women).sum()} men")


if __name__ == "__main__":
    main()
