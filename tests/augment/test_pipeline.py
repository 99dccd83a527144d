import pytest
import torch

from ddoq.augment.pipeline import augment
from ddoq.data.preprocessing import Normalize

IDS = torch.arange(64)
OPERATIONS = {
    "patches": 2,
    "crop": [0.2, 1.0],
    "flip": True,
    "jitter": 0.4,
    "lighting": 0.1,
    "dsa": "color_crop_cutout_flip_scale_rotate",
}


@pytest.fixture
def images() -> torch.Tensor:
    """64 images of 8 bits."""
    draw = torch.Generator().manual_seed(0)
    return torch.randint(256, (64, 3, 8, 8), generator=draw) / 255


@pytest.fixture
def everything(make_protocol):
    return make_protocol(**OPERATIONS)


def augmented(images, protocol, ids=IDS, **changes):
    n = images.shape[1]
    numbers = {"mean": (0.5,) * n, "std": (0.2,) * n}
    seen = Normalize(**{k: changes.pop(k, v) for k, v in numbers.items()})
    settings = {"seed": 1, "epoch": 2, "step": 3, "size": 8, "preprocessing": seen, **changes}
    return augment(images, ids[: len(images)], protocol, **settings)


def test_a_protocol_without_augmentation_changes_nothing(images, make_protocol):
    assert torch.equal(augmented(images, make_protocol()), images)


@pytest.mark.parametrize("pixels", ["batched", "pil"])
def test_an_image_is_augmented_the_same_in_any_batch(images, make_protocol, pixels):
    protocol = make_protocol(**OPERATIONS, pixels=pixels)
    some = torch.tensor([40, 3, 7])
    part = augmented(images[some], protocol, IDS[some])
    whole = augmented(images, protocol)
    torch.testing.assert_close(part, whole[some], atol=1e-5, rtol=0)


@pytest.mark.parametrize("other", [{"seed": 2}, {"epoch": 3}])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_another_seed_or_epoch_augments_otherwise(images, make_protocol, operation, other):
    protocol = make_protocol(**{operation: OPERATIONS[operation]})
    first, second = augmented(images, protocol), augmented(images, protocol, **other)
    # A flip is the same for half of the images.
    assert float((first != second).flatten(1).any(1).float().mean()) > 0.3


@pytest.mark.parametrize("step", range(6))
def test_the_operations_follow_each_other_in_their_order(images, everything, make_protocol, step):
    after = images
    for name, value in OPERATIONS.items():
        before, after = after, augmented(after, make_protocol(**{name: value}), step=step)
        assert not torch.equal(before, after)
    together = augmented(images, everything, step=step)
    torch.testing.assert_close(together, after, atol=1e-5, rtol=0)


def test_the_size_is_that_of_the_crop(images, make_protocol):
    protocol = make_protocol(crop=[1.0, 1.0])
    assert augmented(images, protocol, size=12).shape == (64, 3, 12, 12)


def test_half_of_the_images_are_mirrored(images, make_protocol):
    many = images[:1].expand(1000, 3, 8, 8)
    flipped = augmented(many, make_protocol(flip=True), torch.arange(1000))
    is_mirrored = (flipped == many.flip(3)).flatten(1).all(1)
    assert bool((is_mirrored | (flipped == many).flatten(1).all(1)).all())
    assert 450 < int(is_mirrored.sum()) < 550


def test_gray_images_keep_their_colors(images, make_protocol):
    gray = images[:, :1]
    assert torch.equal(augmented(gray, make_protocol(jitter=0.4, lighting=0.1)), gray)


@pytest.mark.parametrize("strategy", ["crop", "cutout"])
def test_what_dsa_takes_away_is_the_mean_color(images, make_protocol, strategy):
    mean = (0.25, 0.5, 0.75)
    done = augmented(images + 2, make_protocol(dsa=strategy), mean=mean)
    # No pixel of the images is below 2.
    taken = (done < 1.5).all(1)
    assert 0.1 < float(taken.float().mean()) < 0.3
    colors = done.permute(0, 2, 3, 1)[taken]
    torch.testing.assert_close(colors, torch.tensor(mean).expand_as(colors), atol=1e-5, rtol=0)


def test_dsa_changes_colors_in_units_of_the_deviation(images, make_protocol):
    gray = torch.full((64, 3, 8, 8), 0.5)
    # A gray image has neither saturation nor contrast to lose: its brightness moves alone.
    narrow, wide = (
        augmented(gray, make_protocol(dsa="color"), std=(s,) * 3) - 0.5 for s in (0.1, 0.3)
    )
    torch.testing.assert_close(wide, 3 * narrow, atol=1e-5, rtol=0)
    assert 0.04 < float(narrow.abs().max()) < 0.05


def test_dsa_has_one_strategy_for_a_step(images, make_protocol):
    protocol = make_protocol(dsa="flip_cutout")
    shares = []
    for step in range(40):
        done = augmented(images, protocol, step=step)
        is_flipped = ((done - images.flip(3)).abs() < 1e-5).flatten(1).all(1)
        shares.append(float(is_flipped.float().mean()))
    # The steps that flip flip the same half, as an image has the same numbers in an epoch.
    assert len(set(shares)) == 2
    assert min(shares) == 0
    assert 0.3 < max(shares) < 0.7


@pytest.mark.parametrize("size", [8, 5, 13])
@pytest.mark.parametrize("channels", [1, 3])
def test_pillows_pixels_are_those_of_the_batch_to_a_gray_level_or_two(
    images, make_protocol, size, channels
):
    settings = {"crop": [0.3, 1.0], "flip": True, "patches": 2}
    batched, pil = (
        augmented(images[:, :channels], make_protocol(**settings, pixels=pixels), size=size)
        for pixels in ("batched", "pil")
    )
    assert 0 < 255 * float((batched - pil).abs().max()) < 1.5
    assert torch.equal((255 * pil).round() / 255, pil)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_learned_images_that_leave_the_unit_interval_are_not_clamped(
    images, make_protocol, operation
):
    learned = images * 5 - 2
    done = augmented(learned, make_protocol(**{operation: OPERATIONS[operation]}))
    assert float(done.min()) < -1
    assert float(done.max()) > 2
