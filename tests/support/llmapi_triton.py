"""A repository with TensorRT-LLM's ``llmapi`` model (v0.19.0 and later), its engine scripted, for a real tritonserver.

It knows the model's declarations. It must not know what tests do with it.
"""

import shutil
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from loadtest.engine import FOLDER as ENGINE
from loadtest.engine.journal import Journal

HERE = Path(__file__).parent

# Names and types as all_models/llmapi/tensorrt_llm/config.pbtxt has them; every dims is [1] but those of texts.
INPUTS = {
    "text_input": "TYPE_STRING",
    "streaming": "TYPE_BOOL",
    "sampling_param_best_of": "TYPE_INT32",
    "sampling_param_temperature": "TYPE_FP32",
    "sampling_param_top_k": "TYPE_INT32",
    "sampling_param_top_p": "TYPE_FP32",
    "sampling_param_frequency_penalty": "TYPE_FP32",
    "sampling_param_presence_penalty": "TYPE_FP32",
    "sampling_param_max_tokens": "TYPE_INT32",
    "sampling_param_stop": "TYPE_STRING",
    "sampling_param_seed": "TYPE_UINT64",
    "sampling_param_exclude_input_from_output": "TYPE_BOOL",
    "return_finish_reason": "TYPE_BOOL",
    "return_stop_reason": "TYPE_BOOL",
    "return_cumulative_logprob": "TYPE_BOOL",
    "stop": "TYPE_BOOL",
}


def write_llmapi_repository(folder: Path, journal: Path, *, decoupled: bool) -> Journal:
    """One model, ``tensorrt_llm`` (streaming) or ``collected``; max_batch_size is 0, as upstream leaves it."""
    name = "tensorrt_llm" if decoupled else "collected"
    config = model_config_pb2.ModelConfig(name=name, backend="python", max_batch_size=0)
    config.model_transaction_policy.decoupled = decoupled
    for input_name, datatype in INPUTS.items():
        dims = [-1] if datatype == "TYPE_STRING" else [1]
        tensor = config.input.add(name=input_name, dims=dims, optional=input_name != "text_input")
        tensor.data_type = model_config_pb2.DataType.Value(datatype)
    for output_name in ("text_output", "finish_reason", "stop_reason"):
        config.output.add(name=output_name, dims=[-1]).data_type = model_config_pb2.DataType.Value("TYPE_STRING")
    config.instance_group.add(count=1, kind=model_config_pb2.ModelInstanceGroup.KIND_CPU)
    config.parameters["journal"].string_value = str(journal)
    version = folder / name / "1"
    version.mkdir(parents=True)
    (folder / name / "config.pbtxt").write_text(text_format.MessageToString(config), "utf-8")
    for source in (HERE / "llmapi_engine/model.py", ENGINE / "journal.py", ENGINE / "script.py"):
        shutil.copy(source, version)
    return Journal(journal)
