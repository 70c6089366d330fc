from __future__ import annotations

import json
from pathlib import Path

import pytest

from dinar import doctor
from dinar.errors import InputError
from dinar.store import FILES, Package, Store


def offline(package: Package, folder: Path) -> None:
    raise InputError(f"no network for {package.name}")


def test_everything_missing_is_said(tmp_path: Path) -> None:
    found = doctor.examine(Store(cache=tmp_path, download=offline))
    assert {model.name for model in found.models} == set(FILES)
    assert all(model.path is None and model.licence and model.source for model in found.models)
    assert found.versions["dinar"] and found.versions["torch"] and found.versions["python"]
    assert "pytest" not in found.versions
    text = found.as_text()
    assert text.count("missing (downloaded when needed)") == sum(not file.optional for file in FILES.values())
    assert text.count("missing (optional)") == sum(file.optional for file in FILES.values())
    assert json.loads(json.dumps(found.as_dict()))["models"][0]["path"] is None


def test_a_missing_package_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "requires", lambda name: ["no-such-package>=1", 'pytest>=8; extra == "test"'])
    found = doctor.examine(Store(cache=tmp_path, download=offline))
    assert found.versions["no-such-package"] is None and "pytest" not in found.versions
    assert "MISSING" in found.as_text()


def test_fetching_asks_for_what_is_missing(tmp_path: Path) -> None:
    asked: list[str] = []

    def record(package: Package, folder: Path) -> None:
        asked.append(package.name)
        raise InputError("no network")

    store = Store(cache=tmp_path, download=record)
    with pytest.raises(InputError):
        doctor.fetch(store, optional=False)
    assert asked == [FILES["pose_detection.tflite"].package.name]
