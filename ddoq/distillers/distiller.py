"""The contract of a distiller: what it makes, and what it may say of itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ddoq.files.stage import Planned
from ddoq.size import Size

if TYPE_CHECKING:
    from ddoq.data.images import Images
    from ddoq.run import Run
    from ddoq.synthetic import SyntheticSet

Redraws = Literal["never", "if asked", "always"]


class Distiller:
    """Makes a synthetic set of real images. Your own class needs `distill` alone.

    The other attributes have defaults, which hold where your class does not set them.
    """

    redraws: ClassVar[Redraws] = "if asked"
    """Whether each seed has a set of its own: if `evaluation.redraw` asks for it, always (a random
    subset), or never (a rule that draws nothing)."""
    keeps_all: ClassVar[bool] = False
    """Whether the set is all of the real data: the row stands last, and states no size."""
    learns: ClassVar[bool] = False
    """Whether making a set takes long enough to be a job of its own, done by one process on one
    device beside others. Such a distiller keeps its set in a stage (`run.stage`), the last of its
    `stages`."""
    size: Size = Size()
    title: str = ""
    """The name of its row, if that is not the distiller's."""

    def distill(self, images: "Images", run: "Run", seed: int) -> "SyntheticSet":
        """Return the set of a seed: the same one whenever it is asked for."""
        raise NotImplementedError

    def numbers(self, run: "Run") -> list[int]:
        """Return how many images each class will have: no more than there are real ones."""
        return self.size.numbers(run.images.counts.tolist())

    def refuse(self, run: "Run", seed: int) -> None:
        """Refuse, before any work, what only the run's images and networks show to be wrong."""

    def parts(self, run: "Run") -> list[str]:
        """Return which of `autoencoder`, `prior` and `teacher` are read."""
        return []

    def files(self) -> list[Path]:
        """Return the files and folders of a user's that the set is read from.

        What is cached of a set that begins with this one, is so by what they hold.
        """
        return []

    def hints(self, run: "Run") -> dict[str, Any]:
        """Return the hints that the set will have (protocols/hints.py), as far as they are known.

        A protocol that does not go with them is refused before any work.
        """
        return {}

    def stages(self, run: "Run", seed: int) -> list[Planned]:
        """Return the stages that the set of a seed stands on, the first one first."""
        return []

    def seconds(self, run: "Run") -> float | None:
        """Return about how long a set takes that is a job of its own; None if that is unknown.

        Time a few steps on noise of the images' shape. A plan asks too, in which nothing is made:
        what asks its run for a stage that is not there gets `NotMade`, and the time is left out.
        """
        return None


class Own(Distiller):
    """A user's distiller, with the defaults of what it does not say."""

    def __init__(self, made: Any) -> None:
        self.made = made
        for name in (
            *("redraws", "keeps_all", "learns", "size", "title"),
            *("distill", "numbers", "refuse", "parts", "files", "hints", "stages", "seconds"),
        ):
            if hasattr(made, name):
                setattr(self, name, getattr(made, name))


def as_distiller(made: Any) -> Distiller:
    """Return what a component made, as a distiller."""
    return made if isinstance(made, Distiller) else Own(made)
