"""The clients: what each is called, where its environment comes from, and which program checks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Client:
    """``environment``: a file of requirements/ (Python) or a folder of node/. ``program``: a file of programs/."""

    name: str
    environment: str
    program: str
    language: Literal["python", "node"] = "python"
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of the program's environment, where one program checks several ways to use a client."""

    @property
    def requirements(self) -> Path:
        """What is installed, and so what a change of makes the environment anew."""
        if self.language == "node":
            return FOLDER / "node" / self.environment / "package.json"
        return FOLDER / "requirements" / f"{self.environment}.txt"

    @property
    def source(self) -> Path:
        return FOLDER / "programs" / f"{self.program}{'.mjs' if self.language == 'node' else '.py'}"


CLIENTS = (
    Client("openai", "openai", "openai_checks"),
    Client("openai 1.x", "openai-1", "openai_checks"),
    Client("openai (Node)", "openai-node", "openai_node_checks", "node"),
    Client("anthropic", "anthropic", "anthropic_checks"),
    Client("langchain", "langchain", "langchain_checks"),
    Client("llama-index", "llama-index", "llama_index_checks"),
    Client("instructor", "instructor", "instructor_checks"),
    Client("openai-agents (chat)", "openai-agents", "openai_agents_checks", variables={"API": "chat"}),
    Client("openai-agents (responses)", "openai-agents", "openai_agents_checks", variables={"API": "responses"}),
    Client("pydantic-ai (chat)", "pydantic-ai", "pydantic_ai_checks", variables={"API": "chat"}),
    Client("pydantic-ai (responses)", "pydantic-ai", "pydantic_ai_checks", variables={"API": "responses"}),
    Client("litellm", "litellm", "litellm_checks"),
    Client("llm", "llm", "llm_checks"),
    Client("ai (Vercel)", "ai-sdk", "ai_sdk_checks", "node"),
    Client("qwen-agent (own calls)", "qwen-agent", "qwen_agent_checks", variables={"CALLS": "own"}),
    Client("qwen-agent (native calls)", "qwen-agent", "qwen_agent_checks", variables={"CALLS": "native"}),
    Client("open-webui", "open-webui", "open_webui_checks"),
)


def chosen(names: str | None) -> list[Client]:
    """Those whose name, or its first word, is in the comma-separated list. ValueError names one that does not exist."""
    if not names:
        return list(CLIENTS)
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if not any(_is(client, name) for client in CLIENTS):
            raise ValueError(f"there is no client '{name}'; there are {', '.join(each.name for each in CLIENTS)}")
    return [client for client in CLIENTS if any(_is(client, name) for name in wanted)]


def _is(client: Client, name: str) -> bool:
    return name in (client.name, client.environment, client.name.partition(" ")[0])
