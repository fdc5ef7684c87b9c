"""Benchmarks of featurekit beside its peers: quality, speed, memory."""
