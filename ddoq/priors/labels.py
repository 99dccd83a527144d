"""A prior that knows its classes by labels."""

from typing import Any

from ddoq.data.images import Images
from ddoq.errors import UsageError
from ddoq.priors.classes import Classes
from ddoq.priors.conditions import LabelConditions
from ddoq.priors.network import Network
from ddoq.priors.prior import Prior
from ddoq.priors.schedule import Schedule


class LabelPrior(Prior):
    """A prior that knows its classes by labels."""

    def __init__(
        self,
        network: Network,
        schedule: Schedule,
        *,
        classes: Classes,
        null_label: int | None,
        **rest: Any,
    ) -> None:
        super().__init__(network, schedule, **rest)
        self.classes, self.null_label = classes, null_label

    def conditions(
        self, images: Images, prompt: str = "{}", negative_prompt: str | None = None
    ) -> LabelConditions:
        """Return this prior's label of each class of some images."""
        if prompt != "{}" or negative_prompt is not None:
            raise UsageError(
                "decoder.prompt and negative_prompt have no effect on a prior of labels",
                "leave them out, or use a prior that reads prompts",
            )
        return LabelConditions(self.classes.labels(images.class_ids), self.null_label)
