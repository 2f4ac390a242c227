"""The commands of ``model-repo-builder``, one module each: ``add`` puts its flags on the command line."""
