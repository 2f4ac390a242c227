"""Open WebUI, a chat frontend: started as its own command starts it, and used over the API that its page uses.

Its slim mode leaves out what it has for documents and speech, and so gigabytes that no chat needs.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx

from tests.clients.programs.checking import Endless, Slow, Weather, calls, left, run, says
from tests.clients.programs.stage import Stage

PROGRAM = str(Path(sys.executable).with_name("open-webui"))
PATIENCE = 300


@contextmanager
def running(stage: Stage) -> Iterator[httpx.Client]:
    """A server of its own with our gateway as its one connection, and a client who is signed in as its first user."""
    with tempfile.TemporaryDirectory(prefix="open-webui-") as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        environment = {
            **os.environ,
            "USE_SLIM_DOCKER": "true",
            "DATA_DIR": folder,
            "WEBUI_SECRET_KEY": secrets.token_hex(8),
            "OPENAI_API_BASE_URL": stage.api,
            "OPENAI_API_KEY": stage.key,
            "ENABLE_OLLAMA_API": "false",
            "OFFLINE_MODE": "true",
        }
        command = [PROGRAM, "serve", "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, cwd=folder)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(process, url)
            with httpx.Client(base_url=url, timeout=60) as client:
                person = {"name": "A", "email": "a@example.com", "password": secrets.token_hex(8)}
                token = client.post("/api/v1/auths/signup", json=person).raise_for_status().json()["token"]
                client.headers["authorization"] = f"Bearer {token}"
                yield client
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass  # it does not listen yet
        assert process.poll() is None, f"open-webui ended with {process.returncode}"
        assert time.monotonic() < deadline, f"open-webui does not serve after {PATIENCE} s"
        time.sleep(0.2)


def main() -> None:
    """One server for all checks."""
    with running(Stage.given()) as client:
        run(
            version("open-webui"),
            {
                "plain": [bound(models, client), bound(chat, client)],
                "streaming": bound(stream, client),
                "tools": bound(tools_passed_on, client),
                "errors": [bound(errors, client), bound(wrong_key, client)],
                "cancel": bound(leave, client),
            },
        )


def bound(check: Callable[[httpx.Client, Stage], None], client: httpx.Client) -> Callable[[Stage], None]:
    def checked(stage: Stage) -> None:
        check(client, stage)

    checked.__name__ = check.__name__
    return checked


def ask(model: str, messages: Any, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    return {"model": model, "messages": messages, "stream": False, **fields}


def models(client: httpx.Client, stage: Stage) -> None:
    """What its menu offers."""
    listed = client.get("/api/models").raise_for_status().json()["data"]
    assert {stage.scripted, stage.real} <= {model["id"] for model in listed}


def chat(client: httpx.Client, stage: Stage) -> None:
    reply = client.post("/api/chat/completions", json=ask(stage.scripted, says("你好, world 😀"))).raise_for_status()
    assert reply.json()["choices"][0]["message"]["content"] == "你好, world 😀"


def stream(client: httpx.Client, stage: Stage) -> None:
    slow = Slow(stage)
    body = ask(stage.scripted, slow.prompt, stream=True)
    with client.stream("POST", "/api/chat/completions", json=body) as reply:
        for data in _data(reply.iter_lines()):
            for choice in data.get("choices", ()):
                slow.see(choice["delta"].get("content"))
    slow.check()


def _data(lines: Iterator[str]) -> Iterator[Any]:
    for line in lines:
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Say what the weather is like in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def tools_passed_on(client: httpx.Client, stage: Stage) -> None:
    """Calls and results of whoever uses its API go through it both ways."""
    weather = Weather()
    messages: list[Any] = [{"role": "user", "content": calls("get_weather", city="巴黎")}]
    for _ in range(2):
        body = ask(stage.scripted, messages, tools=[TOOL])
        message = client.post("/api/chat/completions", json=body).raise_for_status().json()["choices"][0]["message"]
        messages.append(message)
        for call in message.get("tool_calls") or ():
            result = weather.look(**json.loads(call["function"]["arguments"]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
    weather.check(messages[-1]["content"])


def errors(client: httpx.Client, stage: Stage) -> None:
    """What the gateway says is wrong reaches the person."""
    reply = client.post("/api/chat/completions", json=ask(stage.scripted, "x", temperature=9))
    assert reply.status_code == 400
    assert "temperature" in reply.text


def wrong_key(client: httpx.Client, stage: Stage) -> None:
    """The button that tests a connection says why it is refused, and a connection that is refused offers no models."""
    reply = client.post("/openai/verify", json={"url": stage.api, "key": "wrong"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "invalid_api_key")
    try:
        assert _models_with(client, stage, "wrong") == []
    finally:
        assert stage.scripted in _models_with(client, stage, stage.key)


def _models_with(client: httpx.Client, stage: Stage, key: str) -> list[str]:
    connections = {"ENABLE_OPENAI_API": True, "OPENAI_API_BASE_URLS": [stage.api], "OPENAI_API_KEYS": [key]}
    client.post("/openai/config/update", json={**connections, "OPENAI_API_CONFIGS": {}}).raise_for_status()
    listed = client.get("/api/models", params={"refresh": True}).raise_for_status().json()["data"]
    return [model["id"] for model in listed]


def leave(client: httpx.Client, stage: Stage) -> None:
    endless = Endless(stage)
    body = ask(stage.scripted, endless.prompt, stream=True)

    async def consume(some: Callable[[], None]) -> None:
        async with (
            httpx.AsyncClient(base_url=client.base_url, headers=client.headers, timeout=60) as own,
            own.stream("POST", "/api/chat/completions", json=body) as reply,
        ):
            async for line in reply.aiter_lines():
                if '"content":"' in line.replace(" ", ""):
                    some()

    asyncio.run(left(consume, endless))


if __name__ == "__main__":
    main()
