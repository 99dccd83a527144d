import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ddoq.labels.packing import pack, row_bytes, through, unpack
from ddoq.protocols.presets import PRESETS
from ddoq.protocols.protocol import Protocol

VALUES = st.floats(-60, 60, width=32, allow_subnormal=False)
LOGITS = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=VALUES).map(
    torch.from_numpy
)
KINDS = ["float32", "float16", "int8"]


def kept(**changes: object) -> Protocol:
    return PRESETS["small"].change(**{f"label_{k}": v for k, v in changes.items()})


def packed_and_back(logits: torch.Tensor, protocol: Protocol) -> torch.Tensor:
    back = unpack(pack(logits, protocol), logits.shape[1])
    assert torch.equal(through(logits, protocol), back)
    return back


@given(LOGITS)
def test_whole_logits_come_back_bit_for_bit(logits):
    assert torch.equal(packed_and_back(logits, kept()), logits)


@given(LOGITS)
def test_half_precision_errs_by_half_a_unit_in_the_last_of_eleven_bits(logits):
    error = (packed_and_back(logits, kept(dtype="float16")) - logits).abs()
    assert bool((error <= 2.0**-11 * logits.abs() + 2.0**-25).all())


@given(LOGITS)
def test_eight_bits_err_by_half_a_step_of_254_between_the_extremes(logits):
    back = packed_and_back(logits, kept(dtype="int8"))
    low, high = logits.amin(1, keepdim=True), logits.amax(1, keepdim=True)
    rounding = 2.0**-21 * logits.abs().amax(1, keepdim=True)
    assert bool(((back - logits).abs() <= (high - low) / 508 + rounding).all())
    # The extremes themselves are codes.
    assert bool(((back.amin(1, keepdim=True) - low).abs() <= rounding).all())
    assert bool(((back.amax(1, keepdim=True) - high).abs() <= rounding).all())


@given(LOGITS, st.integers(1, 11), st.sampled_from([1.0, 20.0]))
def test_the_largest_are_kept_and_the_total_probability_of_the_others(logits, k, temperature):
    k = min(k, logits.shape[1])
    protocol = kept(top_k=k).change(temperature=temperature)
    back = packed_and_back(logits, protocol)
    top = logits.topk(k, dim=1).indices
    torch.testing.assert_close(back.gather(1, top), logits.gather(1, top), atol=0, rtol=0)
    before, after = ((z.double() / temperature).softmax(1) for z in (logits, back))
    torch.testing.assert_close(after.gather(1, top), before.gather(1, top), atol=1e-5, rtol=1e-4)
    is_top = torch.zeros_like(logits, dtype=torch.bool).scatter(1, top, value=True)
    rest = [p.masked_fill(is_top, 0).sum(1) for p in (before, after)]
    torch.testing.assert_close(rest[1], rest[0], atol=1e-6, rtol=1e-4)
    others = back.masked_fill(is_top, torch.nan)
    assert all(len(row[~row.isnan()].unique()) <= 1 for row in others)


@given(LOGITS, st.sampled_from(KINDS))
def test_to_keep_all_classes_or_more_is_to_keep_whole_logits(logits, dtype):
    num_classes = logits.shape[1]
    whole = pack(logits, kept(dtype=dtype))
    for k in (num_classes, num_classes + 3):
        other = pack(logits, kept(dtype=dtype, top_k=k))
        assert whole.keys() == other.keys()
        assert all(torch.equal(whole[name], other[name]) for name in whole)


@given(LOGITS, st.sampled_from(KINDS), st.sampled_from([None, 1, 3]))
def test_rows_are_packed_each_for_itself(logits, dtype, k):
    protocol = kept(dtype=dtype, top_k=k)
    rows = torch.cat([packed_and_back(row[None], protocol) for row in logits])
    torch.testing.assert_close(rows, packed_and_back(logits, protocol), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "per_image"),
    [
        ({}, 4 * 100),
        ({"dtype": "float16"}, 2 * 100),
        ({"dtype": "int8"}, 100 + 2 * 4),
        ({"top_k": 5}, 4 * 6 + 4 * 5),
        ({"top_k": 5, "dtype": "float16"}, 2 * 6 + 4 * 5),
        ({"top_k": 5, "dtype": "int8"}, 6 + 2 * 4 + 4 * 5),
    ],
)
def test_the_size_is_that_of_values_scales_and_classes(changes, per_image):
    assert row_bytes(kept(**changes), 100) == per_image
    logits = torch.randn(10, 100, generator=torch.Generator().manual_seed(0))
    packed = pack(logits, kept(**changes))
    assert sum(t.nbytes for t in packed.values()) == 10 * per_image


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_top_classes_may_be_kept_in_few_bits(dtype):
    logits = 5 * torch.randn(10, 100, generator=torch.Generator().manual_seed(0))
    whole = packed_and_back(logits, kept(top_k=5))
    few = packed_and_back(logits, kept(top_k=5, dtype=dtype))
    span = whole.amax(1, keepdim=True) - whole.amin(1, keepdim=True)
    assert bool(((few - whole).abs() <= span / 508 + 1e-5).all())
    assert not torch.equal(few, whole)
