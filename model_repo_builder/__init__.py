"""Builds what the gateway stands on: Triton model repositories for Qwen, and the server that runs them."""
