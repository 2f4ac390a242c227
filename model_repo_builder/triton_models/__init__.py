"""Python models that run inside Triton: self-contained, each folder is copied beside its configuration."""
