import pytest
import torch

from ddoq.data import images as images_module
from ddoq.data import seen
from ddoq.data.images import Images
from ddoq.data.source import Split


def as_it_was(pixels: torch.Tensor) -> torch.Tensor:
    flat = pixels.flatten(1).long()
    draw = torch.Generator().manual_seed(flat.shape[1])
    return (flat * torch.randint(-(2**62), 2**62, (flat.shape[1],), generator=draw)).sum(1)


def test_few_images_are_in_memory_at_a_time_and_the_hashes_are_those_of_all(
    tiny_images: Images, monkeypatch: pytest.MonkeyPatch
):
    whole, sizes = tiny_images.train, []

    def read(indices: torch.Tensor, size: int) -> torch.Tensor:
        sizes.append(len(indices))
        return whole.read(indices, size)

    tiny_images.train = Split(whole.labels, read)
    monkeypatch.setattr(images_module, "_IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(seen, "_PIXELS", 64 * 20, raising=False)
    found = seen.hashes(tiny_images, "train")
    assert sizes == [20, 20, 8]
    assert found.equal(as_it_was(whole.read(torch.arange(48), 8)))


def test_what_fits_in_memory_has_the_same_hashes(tiny_images: Images):
    assert seen.hashes(tiny_images, "train").equal(as_it_was(tiny_images.pixels("train")))
