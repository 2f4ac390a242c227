"""Other front ends under the same load as the gateway, each installed in an environment of its own."""
