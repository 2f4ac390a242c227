"""The stand-in's Python API, as far as conversion and quantization call it."""
