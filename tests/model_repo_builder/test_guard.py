"""What the guard clears away that no launch can be given a place for."""

from pathlib import Path

import pytest

from model_repo_builder.guard import remove_environments


@pytest.mark.parametrize("running", [False, True], ids=["no server runs", "a server runs"])
def test_empty_environments_of_killed_servers_go(tmp_path: Path, running: bool) -> None:
    for name in ("python_env_AbC123", "python_env_used42/bin", "python_env_longer7", "other"):
        (tmp_path / name).mkdir(parents=True)
    remove_environments(tmp_path, lambda: running)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"python_env_used42", "python_env_longer7", "other", *(["python_env_AbC123"] if running else [])}
