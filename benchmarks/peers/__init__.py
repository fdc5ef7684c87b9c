"""The peers: how their environments are built and how they are run."""
