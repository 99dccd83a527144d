"""A finished run with everything that a report can show, written as a run writes it."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ddoq.evaluation.results import Results
from ddoq.evaluation.score import Result
from ddoq.files.artifacts import write_json
from ddoq.report.files import summary, write_results, write_summary
from ddoq.report.finished import CONTENT
from ddoq.report.pictures import galleries
from ddoq.synthetic import SyntheticSet

COSTS = {"top5": 1.0, "loss": 0.1, "seconds": 1.0, "peak_memory_mb": 1.0}
ROWS = {"ddoq": 0.1, "random": 0.0, "full": 0.15}


def trainings(sizes: tuple[int, ...] = (1, 10), student: str = "vit") -> list[Result]:
    """Return two protocols, two teachers, two students, three seeds, three rows."""
    return [
        Result(
            distiller=distiller,
            images_per_class=0 if distiller == "full" else size,
            weighting="root" if distiller == "ddoq" else "-",
            decoder="plain" if distiller == "ddoq" else "-",
            student=name,
            protocol="small" if teacher != "-" else "small_hard",
            labels="soft" if teacher != "-" else "hard",
            teacher=teacher,
            seed=seed,
            set_seed=seed,
            top1=0.5
            + gain
            + 0.02 * size
            + 0.01 * seed * (name == "vit")
            + 0.03 * (teacher == "b")
            + 0.002 * seed * (distiller == "ddoq"),
            **COSTS,
        )
        for size in sizes
        for distiller, gain in ROWS.items()
        for name in ("convnet", student)
        for teacher in ("a", "b", "-")
        for seed in range(3)
        if distiller != "full" or size == sizes[0]
    ]


def synthetic(names: tuple[str, ...] = ("cat", "dog"), side: int = 8) -> SyntheticSet:
    """Return three images of the first class and one of the second."""
    images = (torch.arange(4, dtype=torch.uint8) * 60)[:, None, None, None]
    return SyntheticSet(
        images=images.expand(4, 1, side, side).contiguous(),
        labels=torch.tensor([0, 0, 0, 1]),
        weights=torch.tensor([0.1, 0.4, 0.5, 1.0]),
        class_names=names,
        class_ids=("c", "d"),
    )


def content(names: tuple[str, ...] = ("cat", "dog")) -> dict[str, Any]:
    """Return what `report.json` holds."""
    pictures = galleries([synthetic(names)], lambda images: images)
    other = replace(pictures[0], title="dit")
    return {
        "title": "pets, 1 and 10 images per class",
        "data": "pets",
        "num_test_images": 360,
        "recipe": "name: pets\n",
        "comparable": {"images": "1", "split": "test", "teachers": "2", "students": "3"},
        "pictures": [asdict(g) for g in (*pictures, other)],
        "map": {
            **{"class": names[0], "latents": [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], "of": 9},
            **{"points": [[0.5, 0.5]], "masses": [1.0], "explained": [0.5, 0.25]},
        },
        "masses": [{"class": names[0], "shares": [0.6, 0.4], "effective_size": 1.92}],
        "curves": [
            {"row": "ddoq", "protocol": "small", "teacher": "a", "student": "vit"}
            | {"num_steps": 4, "losses": [2.0, 1.0]}
        ],
        "pushed": {
            "title": "how near",
            **{"headers": ["set", "W2", "preci- sion"], "meanings": ["W2: far or near"]},
            "lines": [["ddoq (plain)", "4.50", "-0.004 ± 0.002"]],
        },
        "environment": {"python": "3.12.0", "device": "cpu"},
    }


def costs() -> list[dict[str, Any]]:
    stage = {"stage": "latents", "seconds": 0.1, "made_seconds": 200.0, "num_bytes": 61_234}
    return [{**stage, "peak_memory_mb": 640.4, "cached": True, "cache_hits": 1, "runs": 1}]


def certificates(names: tuple[str, ...] = ("cat", "dog")) -> list[dict[str, Any]]:
    row = {"latents": 143, "points": 10, "distortion": 1.23456, "held_out_distortion": 1.5}
    row |= {"w2": 1.1111, "weights_w2": [1.1111, 1.2], "effective_size": 8.25}
    return [{"class": name, **row} for name in names]


def figures() -> dict[str, Any]:
    row: dict[str, Any] = {"distiller": "ddoq", "images_per_class": 1}
    row |= {"weighting": "root", "decoder": "plain"}
    distances = [{"lower": 2.0, "upper": 2.0}, {"lower": 3.0, "upper": 3.0}]
    row |= {"w2_points": {"lower": 1.1, "upper": 1.1}, "w2_of_class": distances}
    return {"real_in_class": 0.97, "split": "test", "sets": [row]}


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the folder of a finished run."""

    def make(
        name: str = "run",
        results: list[Result] | None = None,
        names: tuple[str, ...] = ("cat", "dog"),
        about: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        found = Results(trainings() if results is None else results)
        write_results(folder, found)
        told = {"stages": costs(), "certificates": certificates(names), "pushforward": figures()}
        write_summary(folder, summary(found, **told, recipe_name="pets", set_info=about or {}))
        write_json(folder / CONTENT, {**content(names), **changes})
        return folder

    return make
