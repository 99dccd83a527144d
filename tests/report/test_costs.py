"""Is the cost of a stage that of making it, however often it was looked up?"""

from ddoq.files.cache import StageRecord
from ddoq.report.costs import stage_costs


def record(name: str, *, cached: bool, seconds: float, made: float | None) -> StageRecord:
    return StageRecord("training", name, cached, seconds, 100.0, made, 50)


def test_a_cached_stage_costs_what_making_it_took():
    [cost] = stage_costs([record("a", cached=True, seconds=0.1, made=90.0)])
    assert (cost["seconds"], cost["made_seconds"], cost["num_bytes"]) == (0.1, 90.0, 50)
    assert (cost["stage"], cost["cached"]) == ("training", True)


def test_a_training_in_a_worker_counts_once():
    worker = record("a", cached=False, seconds=8.0, made=None)
    reader = record("a", cached=True, seconds=0.1, made=9.0)
    other = record("b", cached=True, seconds=0.2, made=1.0)
    [cost] = stage_costs([worker, reader, other])
    assert (cost["stage"], cost["seconds"], cost["made_seconds"]) == ("training x 2", 8.2, 10.0)
    assert (cost["cached"], cost["cache_hits"]) == (False, 1)


def test_a_sum_with_an_unknown_part_is_unknown():
    found = [record(n, cached=True, seconds=0.1, made=m) for n, m in (("a", 3.0), ("b", None))]
    assert stage_costs(found)[0]["made_seconds"] is None
