"""One program per client, each run in the client's own environment. They know their client and what a check means."""
