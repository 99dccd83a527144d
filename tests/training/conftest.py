import contextlib
from collections.abc import Callable, Generator

import pytest
from lightning import Callback, LightningModule, Trainer

from ddoq.run import Run


class Killed(Exception):
    """What a test stops a training with."""


class Stop(Callback):
    """Raise when a step begins."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        if batch_idx == self._step:
            raise Killed


@pytest.fixture
def stopped_at() -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """Return a context in which a training must be stopped by us, when a step begins."""
    make = Run.trainer

    @contextlib.contextmanager
    def at(step: int) -> Generator[None]:
        def trainer(self: Run, **settings: object) -> Trainer:
            if "callbacks" in settings:
                settings["callbacks"] = [Stop(step), *settings["callbacks"]]
            return make(self, **settings)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Run, "trainer", trainer)
            with pytest.raises(Killed):
                yield

    return at
