"""Randomness as a function of its purpose, never of rank or call order.

A seed is a hash of its purpose. Numbers for many items at once come from a counter-based generator
(SplitMix64), so item 17 draws the same numbers in any batch and on any rank. They are made on the
device of the ids: uniform numbers are the same on every device, normal ones within rounding.
"""

import hashlib
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

_MASK = (1 << 64) - 1


def seed_of(*purpose: int | str) -> int:
    """Hash a purpose such as ("decode", seed, class) to a 63-bit seed.

    >>> seed_of("decode", 0) == seed_of("decode", 0) != seed_of("decode", 1)
    True
    """
    digest = hashlib.blake2b(repr(purpose).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*purpose: int | str) -> torch.Generator:
    """Return a CPU generator for a purpose."""
    return torch.Generator().manual_seed(seed_of(*purpose))


def _signed(value: int) -> int:
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


def _shift(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _bits(seed: int, ids: Int[Tensor, " n"], count: int) -> Int[Tensor, "n count"]:
    """Hash (seed, id, position) with the finalizer of SplitMix64, twice."""
    golden = _signed(0x9E3779B97F4A7C15)
    x = ids.to(torch.int64)[:, None] * golden + _signed(seed)
    for offset in (0, torch.arange(1, count + 1, device=ids.device) * golden):
        x = x + offset
        x = (x ^ _shift(x, 30)) * _signed(0xBF58476D1CE4E5B9)
        x = (x ^ _shift(x, 27)) * _signed(0x94D049BB133111EB)
        x = x ^ _shift(x, 31)
    return x


def uniform(seed: int, ids: Int[Tensor, " n"], count: int) -> Float[Tensor, "n count"]:
    """Draw `count` numbers in [0, 1) for each id."""
    return _shift(_bits(seed, ids, count), 40).to(torch.float32) * 2.0**-24


def normal(seed: int, ids: Int[Tensor, " n"], shape: tuple[int, ...]) -> Float[Tensor, "n ..."]:
    """Draw a standard normal tensor of `shape` for each id (Box-Muller)."""
    size = math.prod(shape)
    pairs = -(-size // 2)
    u = uniform(seed, ids, 2 * pairs)
    # 1 - u lies in (0, 1], on which the logarithm is finite.
    radius = torch.sqrt(-2 * torch.log(1 - u[:, :pairs]))
    angle = 2 * math.pi * u[:, pairs:]
    both = torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1)
    return both[:, :size].reshape(len(ids), *shape)


def permutation(num: int, *purpose: int | str) -> Int[Tensor, " num"]:
    """Return a random order of `num` items for a purpose."""
    return torch.randperm(num, generator=generator(*purpose))


@dataclass(frozen=True)
class Draws:
    """Random numbers of some items, made on the device of their ids."""

    seed: int
    ids: Int[Tensor, " n"]

    def uniform(self, purpose: str, count: int) -> Float[Tensor, "n count"]:
        """Draw `count` numbers in [0, 1) for each item."""
        return uniform(seed_of(purpose, self.seed), self.ids, count)

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Float[Tensor, "n ..."]:
        """Draw a standard normal tensor for each item."""
        return normal(seed_of(purpose, self.seed), self.ids, shape)
