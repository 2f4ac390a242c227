from typing import Any

import pytest

from model_repo_builder.deployment import Instance, Wishes, deployment
from model_repo_builder.errors import SettingsError
from model_repo_builder.official_launcher import argv
from model_repo_builder.ports import Ports
from model_repo_builder.release import Release
from model_repo_builder.served_engine import ServedEngine

V10, V16, V19, V11 = (Release.parse(text) for text in ("0.10.0", "0.16.0", "0.19.0", "1.1.0"))


def engine(model: str = "tensorrt_llm", **facts: Any) -> ServedEngine:
    return ServedEngine(model=model, **{"release": V16, **facts})


def visible(instances: tuple[Instance, ...]) -> list[str | None]:
    return [each.environment.get("CUDA_VISIBLE_DEVICES") for each in instances]


def test_one_server_without_engines_is_started_plainly() -> None:
    assert deployment(Wishes(), []) == (Instance(name="triton", ports=Ports()),)


def test_leaders_have_their_own_ports_and_devices() -> None:
    instances = deployment(Wishes(instances=2), [engine(world_size=2)])
    assert [each.name for each in instances] == ["triton-1", "triton-2"]
    assert [each.ports for each in instances] == [Ports(), Ports(grpc=8011, http=8010, metrics=8012)]
    assert visible(instances) == ["0,1", "2,3"]
    assert all(each.official and each.official.options.world_size == 2 for each in instances)


@pytest.mark.parametrize(
    ("wishes", "engines", "expected"),
    [
        pytest.param({}, [engine()], [None], id="one instance sees what is there"),
        pytest.param({"instances": 2}, [], [None, None], id="no engine needs a GPU"),
        pytest.param({"devices": (("3",),)}, [engine()], ["3"], id="one, named"),
        pytest.param({"devices": (("0",), ("2",))}, [engine()], ["0", "2"], id="their number is the instances'"),
        pytest.param(
            {"instances": 2, "visible": ("4", "5")}, [engine()], ["4", "5"], id="of those that are visible already"
        ),
        pytest.param({"instances": 2}, [engine(llmapi=True, release=None)], ["0", "1"], id="llmapi"),
        pytest.param(
            {"devices": (("0",), ("0",))}, [engine(kv_cache_bounded=True)], ["0", "0"], id="two share a GPU, bounded"
        ),
    ],
)
def test_devices(wishes: dict[str, Any], engines: list[ServedEngine], expected: list[str | None]) -> None:
    assert visible(deployment(Wishes(**wishes), engines)) == expected


@pytest.mark.parametrize(
    ("wishes", "engines", "world_size", "environment"),
    [
        pytest.param(
            {"orchestrator": True},
            [engine(world_size=2)],
            1,
            {"TRTLLM_ORCHESTRATOR": "1", "TRTLLM_ORCHESTRATOR_SPAWN_PROCESSES": "1"},
            id="it spawns",
        ),
        pytest.param(
            {"orchestrator": True},
            [engine(release=V10)],
            1,
            {"TRTLLM_ORCHESTRATOR": "1"},
            id="0.10 knows only spawning",
        ),
        pytest.param(
            {"orchestrator": True, "disable_spawn_processes": True},
            [engine("a", world_size=2, participants=((1, 2),)), engine("b", world_size=2, participants=((3, 4),))],
            5,
            {"TRTLLM_ORCHESTRATOR": "1", "TRTLLM_ORCHESTRATOR_SPAWN_PROCESSES": "0"},
            id="started before it",
        ),
    ],
)
def test_orchestrator(
    wishes: dict[str, Any], engines: list[ServedEngine], world_size: int, environment: dict[str, str]
) -> None:
    (instance,) = deployment(Wishes(**wishes), engines)
    assert instance.official is not None
    assert instance.official.options.world_size == world_size
    assert instance.official.options.engine_models == tuple(each.model for each in engines)
    assert instance.environment == environment


def test_llmapi() -> None:
    llmapi = [engine(llmapi=True, world_size=2, release=None)]
    (plain,) = deployment(Wishes(), llmapi)
    assert plain.official is None
    (wrapped,) = deployment(Wishes(llmapi_launch=True), llmapi)
    assert wrapped.official is not None
    assert argv(wrapped.official.release, wrapped.official.options).count("trtllm-llmapi-launch") == 2


@pytest.mark.parametrize(
    ("wishes", "engines", "words"),
    [
        pytest.param({"orchestrator": True}, [], "no model of this repository runs on it", id="no engine"),
        pytest.param({"llmapi_launch": True}, [engine()], "is for llmapi repositories", id="not llmapi"),
        pytest.param({"orchestrator": True}, [engine(llmapi=True)], "llmapi has its own workers", id="llmapi"),
        pytest.param({}, [engine(release=None)], "give it with --trtllm-version", id="no release"),
        pytest.param({"no_mpi": True, "release": V19}, [engine(world_size=2)], "has 2 ranks", id="no MPI"),
        pytest.param({"no_mpi": True}, [engine()], r"came with 0\.19", id="no MPI before 0.19"),
        pytest.param(
            {}, [engine("a"), engine("b", world_size=2)], r"differ in their ranks \(a 1, b 2\)", id="different ranks"
        ),
        pytest.param({"orchestrator": True, "instances": 2}, [engine()], "no leader of several", id="both modes"),
        pytest.param({"instances": 3, "devices": (("0",), ("1",))}, [engine()], "2 groups for 3", id="groups"),
        pytest.param({"devices": (("0", "1"),)}, [engine()], "engine of 1 ranks: name 1 GPUs", id="too many GPUs"),
        pytest.param({"devices": (("0",), ("0",))}, [engine()], "GPU 0 .* max_tokens_in_paged_kv_cache", id="shared"),
        pytest.param({"instances": 2, "visible": ("4",)}, [engine()], "names 1: name more", id="too few visible"),
        pytest.param({"instances": 2, "port_step": 1}, [], "port 8001 would be used by two", id="ports meet"),
        pytest.param({"instances": 2, "port_step": 60000}, [], "is no port", id="beyond the last port"),
        pytest.param(
            {"orchestrator": True, "disable_spawn_processes": True},
            [engine(world_size=2)],
            "set participant_ids in tensorrt_llm/config.pbtxt, for example to 1,2",
            id="no participants",
        ),
        pytest.param(
            {"orchestrator": True, "disable_spawn_processes": True},
            [engine(participants=((0,),))],
            "rank 0, which is the orchestrator's",
            id="rank 0",
        ),
        pytest.param(
            {"orchestrator": True, "disable_spawn_processes": True},
            [engine("a", participants=((1,),)), engine("b", participants=((1,),))],
            "participant_ids of b give it rank 1, which is a's",
            id="a rank twice",
        ),
        pytest.param(
            {"orchestrator": True, "disable_spawn_processes": True},
            [engine(participants=((1,), (3,)))],
            "leave rank 2 out",
            id="a gap",
        ),
        pytest.param(
            {"orchestrator": True, "disable_spawn_processes": True},
            [engine(world_size=2, participants=((1,),))],
            "give 1 ranks to an engine of 2",
            id="too few",
        ),
    ],
)
def test_what_cannot_work(wishes: dict[str, Any], engines: list[ServedEngine], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        deployment(Wishes(**wishes), engines)
