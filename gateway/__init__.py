"""An OpenAI-compatible gateway in front of NVIDIA Triton running TensorRT-LLM engines of Qwen.

What a request passes through, each arrow one type (``core`` is pure, ``triton`` and ``http`` do the I/O):

    HTTP body ─► ChatRequest ─► Generate ─► tensors ─┐
              core.schema    core.prompt  core.routes │  triton.transport
    SSE frame ◄─ JSON ◄─ Delta ◄─ Piece ◄─ outputs ◄──┘
        http.endpoints  core.reply  core.pipeline  core.routes

A response that is not streamed is the same stream, collected.
"""

__version__ = "0.1.0"
