"""The paper's own tables, and what keeps their numbers from being compared with ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dinar.evaluate.journal import Findings


@dataclass(frozen=True)
class Published:
    """A table of the paper, as printed, and what keeps its numbers from being compared with ours."""

    title: str
    differs: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


_OTHERWISE = (
    "other bodies (SMPL-X, fitted), and backgrounds, crops and backbones are not stated: they show the order of size, "
    "no more"
)
_HEADINGS = (
    "", "MS-SSIM ↑", "PSNR ↑", "LPIPS ↓", "DISTS ↓", "novel view: DISTS ↓", "novel view: ReID ↓", "novel view: KID ↓"
)  # fmt: skip
_SNAPSHOTS = Published(
    "Table 1",
    "What differs: 24 people of SnapshotPeople photographed in A-pose, front and back; ReID by FlipReID, "
    f"KID on Inception features; {_OTHERWISE}.",
    _HEADINGS,
    (
        ("DINAR", "0.9687", "24.42", "0.0504", "0.0703", "0.1407", "0.0786", "0.0133"),
        ("StylePeople", "0.9610", "23.06", "0.0848", "0.0852", "0.1698", "0.1309", "0.0530"),
        ("PIFu", "0.9793", "26.28", "0.0404", "0.0706", "0.1839", "0.0977", "0.0907"),
        ("PHORHUM", "0.9603", "24.21", "0.0531", "0.0948", "0.1564", "0.0915", "0.0144"),
        ("ARCH++", "0.9526", "22.57", "0.0540", "0.0842", "0.1750", "0.0910", "0.0589"),
    ),
)
_SCANS = Published(
    "Table 3",
    f"What differs: renders of 25 scans of THuman2.0; ReID by FlipReID, KID on Inception features; {_OTHERWISE}.",
    _HEADINGS,
    (
        ("DINAR", "0.9600", "22.87", "0.0568", "0.0975", "0.1607", "0.1000", "0.0250"),
        ("StylePeople", "0.9765", "25.81", "0.0588", "0.0830", "0.1828", "0.1421", "0.0347"),
        ("PIFu", "0.9893", "28.27", "0.0474", "0.0912", "0.2213", "0.1161", "0.0924"),
        ("S3F", "0.9706", "25.65", "0.0497", "0.1152", "0.1928", "0.1199", "0.1108"),
    ),
)
_ABLATION = Published(
    "Table 2",
    "What differs: 15 single photos of AzurePeople, eight from the front and seven from behind; the paper does not say "
    f"whether its networks were trained anew for each row, ours are the same in all; {_OTHERWISE}.",
    ("", "MS-SSIM ↑", "PSNR ↑", "LPIPS ↓"),
    (
        ("RGB texture (ours: rgb-only)", "0.8825", "22.80", "0.1204"),
        ("neural texture (neural-only)", "0.8632", "23.09", "0.1285"),
        ("both textures (both)", "0.9126", "24.10", "0.1005"),
        ("both + inpainting (both+inpainting)", "0.9199", "24.85", "0.0904"),
        ("+ occlusion detector (neural+inpainting)", "0.9201", "24.86", "0.0905"),
        ("+ RGB tuning (neural+inpainting+tuning)", "0.9203", "24.98", "0.0901"),
    ),
)


def published(findings: Findings) -> tuple[Published, ...]:
    """The paper's tables that belong beside these results."""
    ablated = any(r.row in ("rgb-only", "neural-only", "both") for r in findings.results)
    other = _SCANS if findings.settings["protocol"] == "thuman2" else _SNAPSHOTS
    return (_ABLATION, other) if ablated else (other,)
