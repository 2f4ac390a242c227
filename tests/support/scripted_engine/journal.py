from loadtest.engine.journal import *  # noqa: F403
