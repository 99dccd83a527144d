"""Every training of a run, by number: tables x rows x seeds x students."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ddoq.evaluation.making import spent
from ddoq.evaluation.measure import measure
from ddoq.evaluation.quoted import quoted
from ddoq.evaluation.results import Results
from ddoq.evaluation.rows import GIVEN, Entry, drawn, entries
from ddoq.evaluation.score import ABSENT, Result
from ddoq.evaluation.training import TRAINING, Training, stored_bytes, stores_labels, training_key
from ddoq.protocols.protocol import Protocol
from ddoq.recipe.component import Block
from ddoq.recipe.naming import told_apart
from ddoq.recipe.schema import Recipe
from ddoq.size import Size, without_size
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from pathlib import Path

    from ddoq.run import Run


@dataclass(frozen=True)
class Table:
    """What all trainings of a table have in common."""

    protocol: Protocol
    teacher: Block | None = None
    """The teacher that gives soft labels; None for the recipe's own, or if labels are hard."""
    full: Protocol | None = None
    """The protocol for training on all data, if it is not the table's."""


class Draw(NamedTuple):
    """A set of a grid: its row, and the number of its seed."""

    row: int
    number: int


class Grid:
    """Every training of a run. A training is identified by its number.

    Trainings are numbered in the order of the results: table by table, row by row, seed by seed.
    Iteration goes from set to set, so that each set is drawn once, and from seed to seed, so that a
    run which ends early has all rows of the first seeds.
    """

    def __init__(
        self,
        run: "Run",
        rows: Sequence[Entry],
        tables: Sequence[Table],
        students: Sequence[Block],
        seed: int,
    ) -> None:
        self.run, self.rows, self.tables = run, rows, tables
        self._students, self._seed = students, seed
        self._places = [
            (table, Draw(row, number), student)
            for table in range(len(tables))
            for row, entry in enumerate(rows)
            for number in range(entry.num_seeds)
            for student in range(entry.num_students)
        ]
        self._last: tuple[Draw, SyntheticSet] | None = None

    @classmethod
    def of(cls, run: "Run") -> "Grid":
        """Return the grid that a run's recipe describes."""
        recipe = run.recipe
        return cls(run, entries(recipe), tables_of(run), recipe.students, recipe.seed)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, job: int) -> Training:
        table, draw, student = self._places[job]
        of = self.tables[table]
        protocol = of.full if of.full and self._keeps_all(draw) else of.protocol
        seed = self._seed + draw.number
        return Training(self.drawn(draw), self._students[student], protocol, seed, of.teacher)

    def _keeps_all(self, draw: Draw) -> bool:
        entry = self.rows[draw.row]
        return entry.given is None and entry.made.keeps_all

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers of all trainings. Those on the same set follow one another."""
        return iter(sorted(range(len(self)), key=lambda job: (self._turn(self.draw_of(job)), job)))

    def _turn(self, draw: Draw) -> tuple[int, Draw]:
        """Return when it is a set's turn. One that serves all seeds stays with the first."""
        return draw.number if self.rows[draw.row].redraw else 0, draw

    def draw_of(self, job: int) -> Draw:
        """Return the set that a training uses."""
        return self._places[job][1]

    def kind_of(self, job: int) -> tuple[int, int, Size]:
        """Return the table, the student and the size of the set: what a training's time is of."""
        table, draw, student = self._places[job]
        return table, student, self.rows[draw.row].size

    def student_name(self, job: int) -> str:
        """Return a student's name, with its settings if two have the same name."""
        return told_apart("student", self._students[self._places[job][2]], self._students)

    def protocol_of(self, job: int) -> str:
        """Return the id of the protocol of a training's table."""
        return self.tables[self._places[job][0]].protocol.id

    def teacher_name(self, job: int) -> str:
        """Return the name of the teacher whose soft labels a training uses, if it uses some."""
        of = self.tables[self._places[job][0]]
        is_soft = of.protocol.labels == "soft"
        return _teacher_name(self.run.recipe, of.teacher) if is_soft else ABSENT

    def labels_of(self, job: int) -> tuple[int, Draw]:
        """Return the table and the set. Trainings that agree in both share their soft labels."""
        return self._places[job][:2]

    @property
    def draws(self) -> list[Draw]:
        """All sets, seed by seed."""
        found = [Draw(r, n) for r, entry in enumerate(self.rows) for n in range(entry.num_seeds)]
        return sorted(found, key=self._turn)

    @property
    def of_method(self) -> list[Draw]:
        """The first set of each row of the recipe's method in every size, and every given set.

        The method's own row comes first.
        """
        lead = without_size(self.rows[0].distiller)
        return [
            Draw(row, 0)
            for row, entry in enumerate(self.rows)
            if without_size(entry.distiller) == lead or entry.distiller["name"] == GIVEN
        ]

    def seed_of(self, draw: Draw) -> int:
        """Return the seed that a set is drawn with."""
        return self._seed + (draw.number if self.rows[draw.row].redraw else 0)

    def drawn(self, draw: Draw) -> SyntheticSet:
        """Return a set. The last set that was drawn stays in memory."""
        entry = self.rows[draw.row]
        if entry.given is not None:
            return entry.given
        if not entry.redraw:
            draw = Draw(draw.row, 0)
        if self._last is None or self._last[0] != draw:
            self._last = draw, drawn(entry.made, self.run, self.seed_of(draw))
        return self._last[1]

    def of_table(self, number: int) -> list[int]:
        """Return the trainings of a table."""
        return [job for job, place in enumerate(self._places) if place[0] == number]

    def is_at_hand(self, draw: Draw) -> bool:
        """Say whether the stages behind a set are finished, so that drawing it costs little."""
        entry = self.rows[draw.row]
        stages = [] if entry.given else entry.made.stages(self.run, self.seed_of(draw))
        return all(self.run.is_done(planned.stage, planned.key) for planned in stages)

    def place(self, job: int) -> "Path":
        """Return where the result of a training lies, or will lie."""
        return self.run.place(TRAINING, training_key(self.run, self[job]))

    def results(self, advance: Callable[[], None] = lambda: None) -> Results:
        """Train and measure everything. Finished trainings are read from the cache."""
        found: dict[int, Result] = {}
        for job in self:
            found[job] = self.result(job)
            advance()
        runs: list[Result] = []
        for number, table in enumerate(self.tables):
            runs += [found[job] for job in self.of_table(number)]
            runs += quoted(self.run.recipe, table.protocol) if table.teacher is None else []
        return Results(runs)

    def result(self, job: int) -> Result:
        """Measure a training and return it as a row of results.csv."""
        training, draw = self[job], self.draw_of(job)
        run, synthetic = self.run, training.synthetic
        numbers: dict[str, Any] = {**vars(measured := measure(run, training))}
        numbers["of_class"] = tuple(measured.of_class)
        if measured.val_top1 is None:
            del numbers["val_top1"]
        numbers["label_bytes"] = (
            stored_bytes(run, training) if stores_labels(run, training) else 0.0
        )
        numbers["set_seconds"] = spent(self, draw)
        numbers["set_bytes"] = synthetic.images.nbytes + numbers["label_bytes"] * len(synthetic)
        return Result(
            **self.labels(draw),
            teacher=self.teacher_name(job),
            labels=self.tables[self._places[job][0]].protocol.labels,
            student=self.student_name(job),
            protocol=self.protocol_of(job),
            seed=training.seed,
            set_seed=self.seed_of(draw),
            note=self._note(job, training),
            read=str(synthetic.provenance.get("read", "")),
            reported=training.protocol.reported,
            uses_hints=" ".join(training.wanted.uses_hints),
            **numbers,
        )

    def _note(self, job: int, training: Training) -> str:
        """Return the remarks that a reader of the number needs."""
        full = self.tables[self._places[job][0]].full
        if full and self._keeps_all(self.draw_of(job)):
            return f"by {full.id}"
        own = self.rows[self.draw_of(job).row].note(training.wanted, training.protocol)
        remark = str(training.synthetic.provenance.get("remark", ""))
        return ", ".join(filter(None, (own, remark, training.note)))

    def labels(self, draw: Draw) -> dict[str, Any]:
        """Return a row's labels and its images per class, where 0 stands for all data."""
        entry = self.rows[draw.row]
        largest = int(self.run.images.counts.max())
        held = self.drawn(draw).images_per_class
        number = 0 if self._keeps_all(draw) else entry.size.shown(held, largest)
        return {**entry.labels, "images_per_class": number}


def tables_of(run: "Run") -> list[Table]:
    """Return a recipe's tables: one per protocol and, with soft labels, per teacher."""
    protocols = [run.make("protocol", block) for block in run.recipe.protocols]
    teachers = [run.recipe.teacher, *run.recipe.evaluation.teachers]
    others = [t for place, t in enumerate(teachers) if t not in teachers[:place]][1:]
    asked = run.recipe.evaluation.full_protocol
    full = run.make("protocol", asked) if asked else None
    return [
        Table(protocol, teacher, full)
        for protocol in protocols
        for teacher in ([None, *others] if protocol.labels == "soft" else [None])
    ]


def _teacher_name(recipe: Recipe, block: Block | None) -> str:
    teachers = [recipe.teacher, *recipe.evaluation.teachers]
    return told_apart("teacher", block or recipe.teacher, teachers)
