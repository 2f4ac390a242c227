"""All tests. What must be so before the first of them imports anything."""

import os

# Children of this process are forked (children.die_with_parent). In a child, gRPC's fork support starts its poller
# again, whose files are closed before the child becomes what it shall be; that aborts some ("Bad file descriptor").
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
