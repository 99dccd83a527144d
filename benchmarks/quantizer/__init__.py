"""Benchmarks of the quantizer: against its peers, at ImageNet's scale, and of its stream."""
