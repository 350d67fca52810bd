"""Homes of the embedded servers, looked over when a test is done with one."""

import pytest

from tests.system.test_embedded_rig import checked


@pytest.fixture
def new_home(tmp_path):
    with checked(tmp_path / "home") as folder:
        yield folder


@pytest.fixture(scope="module")
def old_home(tmp_path_factory):
    return tmp_path_factory.mktemp("embedded") / "home"


@pytest.fixture
def home(old_home):
    """One for all tests of this file, as in life: it was started, and left somehow, many times before."""
    with checked(old_home) as folder:
        yield folder
