from __future__ import annotations

import pytest

from dinar.errors import InputError
from dinar.photo.sighting import Perception
from dinar.store import Store


@pytest.fixture(scope="session")
def store() -> Store:
    """A store that has, or can get, the perception networks."""
    shelf = Store()
    try:
        Perception.load(shelf)
    except InputError as error:
        pytest.skip(f"needs the perception networks: {error}")
    return shelf
