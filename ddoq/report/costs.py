"""What the stages of a run cost: seconds, memory and bytes."""

from collections.abc import Sequence
from typing import Any

from ddoq.files.cache import StageRecord


def stage_costs(records: Sequence[StageRecord]) -> list[dict[str, Any]]:
    """Add up the costs of each kind of stage. A stage that was used twice counts once.

    `seconds` are this run's. `made_seconds` are those of making it, with interrupted calls and
    whenever that was; None if a stage in the cache does not say.
    """
    first = {(r.stage, r.fingerprint): r for r in reversed(records)}
    # A worker's own record comes before that of the process that reads its result.
    last = {(r.stage, r.fingerprint): r for r in records}
    costs: list[dict[str, Any]] = []
    for name in dict.fromkeys(r.stage for r in records):
        keys = [key for key in first if key[0] == name]
        own, known = [first[key] for key in keys], [last[key] for key in keys]
        hits = sum(r.cached for r in own)
        made = [r.made_seconds for r in known if r.made_seconds is not None]
        costs.append(
            {
                "stage": name if len(own) == 1 else f"{name} x {len(own)}",
                "seconds": sum(r.seconds for r in own),
                "made_seconds": sum(made) if len(made) == len(own) else None,
                "num_bytes": sum(r.num_bytes for r in known),
                "peak_memory_mb": max(r.peak_memory_mb for r in own),
                "cached": hits == len(own),
                "cache_hits": hits,
                "runs": len(own),
            }
        )
    return costs
