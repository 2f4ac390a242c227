"""The builder's exceptions: one tree, caught once in ``cli``.

BuilderError                    the base: its text is one sentence that tells the user what to do
├── SettingsError               a value or a combination of values that cannot work
├── ContractError               no contract data for what was asked
├── CheckpointError             a tokenizer folder or model file that is missing or damaged
├── RepositoryError             the repository folder: in the way, unreadable, not a repository
├── BuildError                  a build: a tool that failed, no space, a folder in the way
│   └── BuildStopped            the user ended it; the same command goes on from there
└── LaunchError                 tritonserver: not found, not startable, failed
"""


class BuilderError(Exception):
    """Something the user can act on. ``str()`` is the sentence to print."""


class SettingsError(BuilderError):
    """A setting, or a combination of settings, that cannot work."""


class ContractError(BuilderError):
    """There is no contract data for the release that was asked for."""


class CheckpointError(BuilderError):
    """A tokenizer folder or a model file is missing, damaged, or not a Qwen."""


class RepositoryError(BuilderError):
    """The repository folder is in the way, unreadable, or no repository."""


class BuildError(BuilderError):
    """A stage cannot begin, or failed. ``log`` is the end of what its tool wrote, if it came to that."""

    def __init__(self, sentence: str, log: str = "") -> None:
        super().__init__(sentence)
        self.log = log


class BuildStopped(BuildError):
    """The build was told to stop. What is finished stays."""


class LaunchError(BuilderError):
    """tritonserver is missing, cannot start, or stopped by itself. ``log`` is what it wrote, if it came to that."""

    def __init__(self, sentence: str, log: str = "") -> None:
        super().__init__(sentence)
        self.log = log
