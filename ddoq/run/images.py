"""The images of a run: opened on all ranks, checked, and kept on disk once they are decoded."""

import functools
from typing import TYPE_CHECKING

from ddoq.data.batches import describe
from ddoq.data.given import refuse_source
from ddoq.data.images import Images
from ddoq.recipe.component import is_code
from ddoq.run.pixels import kept
from ddoq.run.refusals import refuse_autoencoder

if TYPE_CHECKING:
    from ddoq.run import Run


def open_images(run: "Run") -> Images:
    """Open the images of a run's recipe, and say how many there are."""
    # Rank 0 is first: if data are downloaded or surveyed, the others find it done.
    if not run.world.is_first:
        run.world.barrier()
    block, source, made_by = run.recipe.data, run.make("data"), None
    if is_code(block["name"]):
        refuse_source(source, block["name"])
        # The content key of a user's own source may leave out its code and settings.
        made_by = run.key("data")
    images = Images(source, made_by=made_by, keep=functools.partial(kept, run))
    refuse_autoencoder(run.recipe.autoencoder, images)
    if run.world.is_first:
        run.world.barrier()
    for line in describe(images):
        run.console.tell(line)
    return images
