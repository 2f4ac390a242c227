from loadtest.engine.script import *  # noqa: F403
