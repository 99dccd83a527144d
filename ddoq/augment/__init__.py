"""Batched augmentation on the device; each image has its own parameters.

The parameters are a function of (seed, epoch, image), or of (seed, epoch, step) if the protocol
draws once per batch. They never depend on ranks, workers or the order of calls.
"""
