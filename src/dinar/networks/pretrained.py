"""Networks on disk, one folder each as Hugging Face lays them out: config.json and model.safetensors in float16, or in
eight bits what is large.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, Self, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dinar.errors import InputError
from dinar.files import atomic_folder

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CONFIG, WEIGHTS = "config.json", "model.safetensors"
KIND = "network"   # the class, beside its arguments in config.json
SCALE = "/scale"   # after the name of a tensor of eight bits: what a step of it is in each of its first axis' parts
LARGE = 4096       # numbers, from which a tensor may be kept in eight bits
Network = TypeVar("Network", bound=nn.Module)


class _Unmade(TorchFunctionMode):
    """Networks get no random weights in the block: they are read from a file, and making them takes longer."""

    def __torch_function__(
        self, function: Callable, types: Sequence[type], args: tuple = (), kwargs: Mapping[str, object] | None = None
    ) -> object:
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def moved(module: Network, device: torch.device | str) -> Network:
    """A copy of a network on a device, or itself where it is there."""
    there = torch.empty(0, device=device).device
    if all(tensor.device == there for tensor in (*module.parameters(), *module.buffers())):
        return module
    return copy.deepcopy(module).to(device)


def save(folder: Path, module: nn.Module, config: DataclassInstance, *, eight_bits: bool = False) -> None:
    """Writes a network, whole or not at all; `config` holds the arguments of its constructor.

    With `eight_bits` LARGE weights are whole numbers from -127 to 127 with a scale for each output channel: half the
    file, and off by some hundredth of what is usual in a channel.

    Raises ValueError where `config` describes another network or a weight has no finite value in float16, InputError
    where the folder cannot be written.
    """
    arguments, tensors = asdict(config), module.state_dict()
    with torch.device("meta"):
        described = type(module)(**arguments).state_dict()
    if _differences(tensors, described):
        raise ValueError(f"the {type(module).__name__} is not what {config} describes")
    halves = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in halves.items()}
    if wrong := _not_finite(halves):
        raise ValueError(f"{_some(wrong)} cannot be written in float16")
    if eight_bits:
        halves = _in_eight_bits(halves)
    with atomic_folder(folder, marker=CONFIG) as fresh:
        text = json.dumps({KIND: type(module).__name__, **arguments}, indent=2)
        (fresh / CONFIG).write_text(text + "\n", encoding="utf-8")
        save_file(halves, fresh / WEIGHTS, metadata={"format": "pt"})


def load(folder: Path, kind: type[Network]) -> Network:
    """The network of a folder, float32, on the CPU, ready for use (evaluation mode).

    Raises InputError, naming the tensors, where one is missing, unknown, misshapen or not finite, and where a file is
    missing, damaged or of another network.
    """
    folder = Path(folder)
    arguments = _config(folder / CONFIG, kind)
    try:
        with torch.random.fork_rng(devices=[]), _Unmade():    # loading should not cost anybody his seed
            module = kind(**arguments)
    except (TypeError, ValueError, RuntimeError, IndexError, ZeroDivisionError) as error:
        raise InputError(f"{folder / CONFIG} describes no {kind.__name__} ({error})") from error
    path = folder / WEIGHTS
    try:
        tensors = _whole(load_file(path))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing") from error
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is damaged ({error})") from error
    differences = _differences(tensors, module.state_dict())
    if differences:
        raise InputError(f"{path} does not fit its {CONFIG}: {'; '.join(differences)}")
    if wrong := _not_finite(tensors):
        raise InputError(f"{path} is damaged: {_some(wrong)} is not finite")
    module.load_state_dict(tensors)
    return module.eval()


def take_over(module: nn.Module, other: nn.Module, preset: str) -> None:
    """Gives a network another one's weights. Raises InputError where that is not of the same preset."""
    try:
        module.load_state_dict(other.state_dict())
    except RuntimeError as error:
        raise InputError(f"the {type(other).__name__.lower()} to go on from is not of the preset {preset}") from error


def _in_eight_bits(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or tensor.dim() < 2 or tensor.numel() < LARGE:
            found[name] = tensor
            continue
        rows = tensor.float().flatten(1)
        scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
        found[name] = (rows / scale).round().to(torch.int8).view(tensor.shape)
        found[name + SCALE] = scale[:, 0]
    return found


def _whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a file holds, tensors of eight bits times their scales."""
    found = {name: tensor for name, tensor in tensors.items() if not name.endswith(SCALE)}
    for name in tensors.keys() - found.keys():
        of, scale = name.removesuffix(SCALE), tensors[name]
        if of in found and found[of].dim() > 1 and scale.shape == found[of].shape[:1]:
            found[of] = (found[of].float().flatten(1) * scale.float()[:, None]).view(found[of].shape)
        else:
            found[name] = scale                       # belongs to nothing: `load` names it
    return found


def save_family(
    folder: Path,
    marker: str,
    facts: Mapping[str, str],
    parts: Mapping[str, nn.Module],
    configs: Mapping[str, DataclassInstance],
) -> None:
    """Writes networks that belong together, each in a folder of its own, and what is to be known of them in `marker`.

    Whole or not at all. Raises what `save` raises.
    """
    with atomic_folder(folder, marker=marker) as fresh:
        for name, module in parts.items():
            save(fresh / name, module, configs[name])
        (fresh / marker).write_text(json.dumps(dict(facts), indent=2) + "\n", encoding="utf-8")


def load_family(
    folder: Path,
    marker: str,
    facts: Sequence[str],
    kinds: Mapping[str, type[nn.Module]],
    *,
    optional: Sequence[str] = (),          # facts that may be missing, and are empty then
) -> tuple[list[str], dict[str, nn.Module]]:
    """What `save_family` wrote: the facts, then those that are optional, and the networks, on the CPU, ready for use.

    Raises InputError where one is missing, damaged or of another kind.
    """
    path = Path(folder) / marker
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        values = [found[name] for name in facts] + [found.get(name, "") for name in optional]
    except FileNotFoundError as error:
        raise InputError(f"{folder} holds no trained weights: it has no {marker}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error})") from error
    if not all(isinstance(value, str) for value in values):
        raise InputError(f"{path} is damaged ({' or '.join([*facts, *optional])} is no text)")
    return values, {name: load(Path(folder) / name, kind) for name, kind in kinds.items()}


@dataclass(frozen=True, eq=False)
class Single(Generic[Network]):
    """A network that is trained and ships by itself.

    NETWORK  its class
    PART     what it is called: the folder below `weights` that ships, the one in that, and the marker beside it
    name     the preset and a digest of the weights
    """

    NETWORK: ClassVar[type[nn.Module]]
    PART: ClassVar[str]

    name: str
    network: Network

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The network of a folder, on the CPU, ready for use.

        Raises InputError where it is missing, damaged or of another kind.
        """
        (name,), parts = load_family(folder, f"{cls.PART}.json", ("name",), {cls.PART: cls.NETWORK})
        return cls(name, parts[cls.PART])

    def save(self, folder: Path, config: DataclassInstance) -> None:
        """Writes a folder that `load` reads, whole or not at all; `config` holds the constructor's arguments.

        Raises ValueError where the network is not what its config describes, InputError where the folder cannot be
        written.
        """
        part = self.PART
        save_family(folder, f"{part}.json", {"name": self.name}, {part: self.network}, {part: config})

    @classmethod
    def named(cls, preset: str, network: Network) -> Self:
        """A network with the name that its weights make."""
        return cls(f"{preset}-{digest(network)}", network)

    @classmethod
    def shipped(cls) -> Self | None:
        """The weights that come with the package; None where it has none."""
        folder = Path(str(files("dinar"))) / "weights" / cls.PART
        return cls.load(folder) if (folder / f"{cls.PART}.json").is_file() else None


def digest(*modules: nn.Module) -> str:
    """Eight hexadecimal digits that name networks by their weights, as they are on disk."""
    found = hashlib.sha256()
    for module in modules:
        for name, tensor in module.state_dict().items():
            found.update(name.encode() + tensor.detach().cpu().half().numpy().tobytes())
    return found.hexdigest()[:8]


def _config(path: Path, kind: type[nn.Module]) -> dict[str, object]:
    """The constructor's arguments, all of them and no others."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error})") from error
    if not isinstance(config, dict) or config.pop(KIND, None) != kind.__name__:
        raise InputError(f"{path} describes no {kind.__name__}")
    wanted = set(inspect.signature(kind).parameters)
    if wrong := sorted(wanted ^ set(config)):
        raise InputError(f"{path} describes no {kind.__name__} of this version ({_some(wrong)} missing or unknown)")
    return config


def _differences(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> list[str]:
    """In words: what `found` lacks, has too much, and has in another shape."""
    missing = [name for name in wanted if name not in found]
    unknown = [name for name in found if name not in wanted]
    misshapen = [
        f"{name} {list(found[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in found and found[name].shape != tensor.shape
    ]
    parts = (("missing", missing), ("unknown", unknown), ("misshapen", misshapen))
    return [f"{_some(names)} {word}" for word, names in parts if names]


def _not_finite(tensors: dict[str, Tensor]) -> list[str]:
    """Those with an infinite number or none; sums tell it, in double precision, at once."""
    return [name for name, tensor in tensors.items() if not tensor.sum(dtype=torch.float64).isfinite()]


def _some(names: list[str], most: int = 4) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
