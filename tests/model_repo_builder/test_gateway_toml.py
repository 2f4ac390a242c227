import sys
from pathlib import Path

import pytest

from model_repo_builder.gateway_toml import GatewayModel, gateway_toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.mark.parametrize("text", ["qwen", 'a "quoted" name', "back\\slash", "通义千问 😀", "tab\there", "del\x7f"])
def test_it_reads_back_as_it_was_meant(text: str) -> None:
    model = GatewayModel(
        name=text,
        triton="127.0.0.1:8001",
        tokenizer=Path("/models") / text,
        max_model_len=2048,
        eos_token_ids=(151645, 151643),
        vocab_size=151936,
    )
    assert tomllib.loads(gateway_toml(model)) == {
        "models": [
            {
                "name": text,
                "triton": "127.0.0.1:8001",
                "route": "auto",
                "tokenizer": f"/models/{text}",
                "max_model_len": 2048,
                "eos_token_ids": [151645, 151643],
                "vocab_size": 151936,
                "direct": "tensorrt_llm",
                "ensemble": "ensemble",
                "bls": "tensorrt_llm_bls",
            }
        ]
    }
