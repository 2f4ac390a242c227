"""The overlays, rendered once for each session."""

from __future__ import annotations

import pytest

from tests.deploy.kustomize import OVERLAYS, Object, Site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site.at(tmp_path_factory.mktemp("kubernetes"))


@pytest.fixture(scope="session")
def rendered(site: Site) -> dict[str, list[Object]]:
    site.write({**site.settings(), "GPUS": "4", "NODES": "3"})
    found = {}
    for overlay in OVERLAYS:
        objects, error = site.render(overlay)
        assert error == "", error
        found[overlay] = objects
    return found
