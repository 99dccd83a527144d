"""Go through all cases, each written down when it is done and not measured again."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from benchmarks.ablate.candidates import CANDIDATES, FOLDS
from benchmarks.ablate.case import Case, Row, measure, warm_up
from benchmarks.ablate.classes import ClassSource, digest, halves, open_classes
from benchmarks.ablate.invocation import Invocation
from benchmarks.ablate.spectrum import Spectrum, spectrum
from ddoq.display.console import Console, StageBar
from ddoq.errors import UsageError
from ddoq.files.artifacts import fingerprint, read_json, versions, write_json


def sweep(invocation: Invocation, console: Console) -> list[Row]:
    """Return the rows of all cases, in order."""
    sources = open_classes(invocation.latents, invocation.classes)
    _refuse_too_many(invocation, sources)
    parts = invocation.out / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    per_class = invocation.seeds * len(invocation.solvers) * len(invocation.points)
    rows: list[Row] = []
    _warm_up(invocation, sources[0])
    torch.set_num_threads(invocation.threads)
    with (
        threadpool_limits(invocation.threads),
        console.stage("ablate", per_class * len(sources)) as stage,
    ):
        for source in sources:
            rows += _class_rows(invocation, source, parts, stage)
    return rows


def spectra(invocation: Invocation, console: Console) -> list[Spectrum]:
    """Return the spectrum of every class."""
    sources = open_classes(invocation.latents, invocation.classes)
    found: list[Spectrum] = []
    with console.stage("spectra", len(sources)) as stage:
        for source in sources:
            found.append(_spectrum(source, invocation.out / "parts"))
            stage.advance()
    return found


def _class_rows(
    invocation: Invocation, source: ClassSource, parts: Path, stage: StageBar
) -> list[Row]:
    """Measure the cases of a class that have no part yet, and read the others."""
    latents = source.latents()
    num_fit, content = source.num_fit(invocation.held_out), digest(latents)
    rows: list[Row] = []
    for case in _cases(invocation, source):
        part = parts / f"{_stem(case)}-{_key(case, content, num_fit, invocation.threads)}.json"
        if not part.is_file():
            split = halves(latents, num_fit, seed=case.seed, label=case.label)
            write_json(part, [asdict(row) for row in measure(case, split)])
        rows += [Row(**row) for row in read_json(part)]
        stage.advance()
    return rows


def _cases(invocation: Invocation, source: ClassSource) -> Iterator[Case]:
    for seed in range(invocation.seed, invocation.seed + invocation.seeds):
        for solver in invocation.solvers:
            for num_points in invocation.points:
                yield Case(seed, source.label, source.name, solver, num_points)


def _stem(case: Case) -> str:
    return f"seed{case.seed}-class{case.label}-{case.solver}-{case.num_points}"


def _key(case: Case, content: str, num_fit: int, threads: int) -> str:
    """Hash what a part depends on and its name does not say."""
    settings: Any = asdict(CANDIDATES[case.solver])
    about = [content, case.class_name, num_fit, settings, FOLDS, threads, versions()["torch"]]
    return fingerprint(about)[:8]


def _spectrum(source: ClassSource, parts: Path) -> Spectrum:
    latents = source.latents()
    key = fingerprint([digest(latents), source.name])[:8]
    part = parts / f"spectrum-class{source.label}-{key}.json"
    if not part.is_file():
        write_json(part, asdict(spectrum(latents, source.name)))
    return Spectrum(**read_json(part))


def _warm_up(invocation: Invocation, source: ClassSource) -> None:
    """Import what the solvers need, before threads are limited and time is taken."""
    dim = source.latents().shape[1]
    for solver in invocation.solvers:
        warm_up(solver, dim)


def _refuse_too_many(invocation: Invocation, sources: Sequence[ClassSource]) -> None:
    """Refuse numbers of points that a fold of the smallest class cannot hold."""
    least = min(sources, key=lambda s: s.count)
    num_fit = least.num_fit(invocation.held_out)
    most = num_fit - -(-num_fit // FOLDS) - 1
    if invocation.points[-1] > most or num_fit == least.count:
        raise UsageError(
            f"points={invocation.points[-1]}, but of the {least.count} latents of class "
            f"{least.name} {num_fit} are fitted, and in cross-validation {max(most + 1, 0)}",
            f"use at most {max(most, 0)} points, or a held_out other than {invocation.held_out}",
        )
