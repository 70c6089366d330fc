"""Milliseconds of the open body's forward pass, beside anny's where that is installed (DESIGN: <= 6 ms).

    python benchmarks/body.py --threads 2
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable

import torch

from dinar.body.model import Body, BodyModel


def milliseconds(work: Callable[[], object], runs: int) -> tuple[float, float]:
    """Least and median of `runs` runs after five to warm up."""
    for _ in range(5):
        work()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    seconds.sort()
    return seconds[0] * 1e3, seconds[len(seconds) // 2] * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=100)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = BodyModel.open()
    torch.manual_seed(0)
    print(f"{args.threads} threads, torch {torch.__version__}; least / median milliseconds of {args.runs} runs\n")
    print("| | batch 1 | batch 8 |\n|---|---|---|")

    def row(name: str, forward: Callable[[int], Callable[[], object]]) -> None:
        cells = ["{:.1f} / {:.1f}".format(*milliseconds(forward(batch), args.runs)) for batch in (1, 8)]
        print(f"| {name} | {' | '.join(cells)} |")

    def random_body(batch: int) -> Body:
        body = model.neutral(batch)
        parts = (torch.randn_like(part) * 0.3 for part in (body.shape, body.pose, body.expression))
        return Body(*parts, body.translation)

    def forward(batch: int) -> Callable[[], object]:
        body = random_body(batch)
        return lambda: model(body)

    def landmarks(batch: int) -> Callable[[], object]:
        body, few = random_body(batch), model.only_landmarks()
        return lambda: few.landmarks(few(body))

    with torch.inference_mode():
        row("open body, 13,718 vertices", forward)
        row("its landmarks only", landmarks)
        if importlib.util.find_spec("anny"):
            import anny

            theirs = anny.Anny(rig="anny", phenotypes="all", local_changes="default", facial_actions="all")
            theirs = theirs.to(torch.float32)

            def anny_forward(batch: int) -> Callable[[], object]:
                phenotype = {name: torch.full((batch,), 0.5) for name in theirs.phenotype_labels}
                pose = torch.eye(4).expand(batch, theirs.bone_count, 4, 4)
                return lambda: theirs(pose_parameters=pose, phenotype_kwargs=phenotype)

            row("anny 0.6.2", anny_forward)


if __name__ == "__main__":
    main()
