from __future__ import annotations

import pytest
from train.sets import write_set

from dinar.presets import TINY


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """A folder of shards with three people."""
    return write_set(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="session")
def textures(people, tmp_path_factory):
    """Their textures, nothing worn."""
    from dinar.train.textures import TextureSets

    return TextureSets([people], tmp_path_factory.mktemp("textures"), TINY, augmentation=None, least=4)
