"""Seedling: the tiny Qwen of this project, from its corpus to the file that is served.

facts, words, talk, recall, arithmetic          what it is taught: hand-written text and generators
functions, inventions, everyday                 functions to call: written, made up, and kinds of them in everyday words
wishes, results, tools                          what asks for a call, what comes back, and conversations of both
prompt                                          messages and tools → the text the model reads and writes
corpus                                          the mixture: a seed → an endless stream of examples
vocabulary                                      trains the byte-level BPE, writes the tokenizer folder
network, train                                  the architecture and the training loop (PyTorch, one GPU)
gguf_file                                       weights → GGUF, and GGUF → a transformers checkpoint
questions, asking, evaluate                     what it learned, measured on what it never saw

Nothing here is needed to serve the model: the wheel carries only `model_repo_builder/seedling/`.
"""
