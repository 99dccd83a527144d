import dataclasses
import math

import pytest
import torch
from scipy.stats import kstest

from ddoq.augment import augment, draw_mixing, jitter, lighting, mix, resized_crop

IDS = torch.arange(64)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def centered(n: int, **changes: float) -> torch.Tensor:
    """Random numbers of a crop with the aspect ratio 1, in the middle, not mirrored."""
    places = {"area": 0, "ratio": 1, "x": 2, "y": 3, "mirror": 4}
    random = torch.full((n, 5), 0.5)
    for name, value in changes.items():
        random[:, places[name]] = value
    return random


def test_a_crop_of_everything_is_the_image(images):
    crop = resized_crop(images, centered(64), scale=(1.0, 1.0), flip=False, size=8)
    torch.testing.assert_close(crop, images, atol=1e-5, rtol=0)


def test_a_flip_mirrors_the_image(images):
    random = centered(64, mirror=0.1)
    crop = resized_crop(images, random, scale=(1.0, 1.0), flip=True, size=8)
    torch.testing.assert_close(crop, images.flip(3), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_crop_of_a_quarter_is_a_corner_at_the_extremes(images, x: int, y: int):
    random = centered(64, x=float(x), y=float(y))
    crop = resized_crop(images, random, scale=(0.25, 0.25), flip=False, size=4)
    corner = images[:, :, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
    torch.testing.assert_close(crop, corner, atol=1e-5, rtol=0)


def test_crops_stay_inside_the_image():
    ramp = torch.linspace(0, 1, 32).expand(500, 1, 32, 32)
    random = torch.rand(500, 5, generator=torch.Generator().manual_seed(0))
    crop = resized_crop(ramp, random, scale=(0.08, 1.0), flip=False, size=8)
    # Reflection at the border would break the ramp's order.
    assert bool((crop.diff(dim=3) >= -1e-5).all())


def test_jitter_of_strength_zero_changes_nothing(images):
    torch.testing.assert_close(jitter(images, torch.rand(64, 3), 0.0), images)


def test_jitter_scales_brightness(images):
    random = torch.tensor([[0.0, 0.5, 0.5]]).expand(64, 3)
    torch.testing.assert_close(jitter(images, random, 0.4), 0.6 * images)


def test_jitter_without_saturation_is_gray(images):
    gray = jitter(images, torch.tensor([[0.5, 0.5, 0.0]]).expand(64, 3), 1.0)
    luminance = (images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
    torch.testing.assert_close(gray, luminance[:, None].expand(64, 3, 8, 8))


def test_lighting_adds_one_color_to_an_image(images):
    shift = lighting(images, torch.tensor([[1.0, 0.0, 0.0]]).expand(64, 3), 0.1) - images
    first = 0.1 * 0.2175 * torch.tensor([-0.5675, -0.5808, -0.5836])
    torch.testing.assert_close(shift, first[:, None, None].expand(64, 3, 8, 8), atol=1e-6, rtol=0)


@pytest.fixture
def everything(make_protocol):
    return make_protocol(crop=[0.2, 1.0], flip=True, jitter=0.4, lighting=0.1)


def test_an_image_is_augmented_the_same_in_any_batch(images, everything):
    whole = augment(images, IDS, everything, seed=1, epoch=2, size=8)
    some = torch.tensor([40, 3, 7])
    part = augment(images[some], IDS[some], everything, seed=1, epoch=2, size=8)
    torch.testing.assert_close(part, whole[some], atol=1e-6, rtol=0)


@pytest.mark.parametrize("other", [{"seed": 2}, {"epoch": 3}])
def test_another_seed_or_epoch_augments_otherwise(images, everything, other):
    first = augment(images, IDS, everything, seed=1, epoch=2, size=8)
    second = augment(images, IDS, everything, **{"seed": 1, "epoch": 2, "size": 8, **other})
    assert bool((first != second).flatten(1).any(1).all())


def test_without_a_crop_half_of_the_images_are_mirrored(images, make_protocol):
    ids = torch.arange(1000)
    many = images[:1].expand(1000, 3, 8, 8)
    flipped = augment(many, ids, make_protocol(flip=True), seed=0, epoch=0, size=8)
    is_mirrored = (flipped == many.flip(3)).flatten(1).all(1)
    assert bool((is_mirrored | (flipped == many).flatten(1).all(1)).all())
    assert 450 < int(is_mirrored.sum()) < 550


def test_gray_images_keep_their_colors(images, make_protocol):
    gray = images[:, :1]
    protocol = make_protocol(jitter=0.4, lighting=0.1)
    assert torch.equal(augment(gray, IDS, protocol, seed=0, epoch=0, size=8), gray)


def drawn(protocol, ids=IDS, **changes):
    return draw_mixing(ids, protocol, **{"seed": 0, "epoch": 0, "step": 0, "size": 8, **changes})


def test_mixup_is_the_convex_combination(images, make_protocol):
    mixing = drawn(make_protocol(mix="mixup"))
    share = mixing.share[:, None, None, None]
    expected = share * images + (1 - share) * images[mixing.partner]
    torch.testing.assert_close(mix(images, mixing, "mixup"), expected)


def test_the_share_of_cutmix_is_the_area_that_is_left_also_at_the_border(make_protocol):
    ids = torch.arange(400)
    mixing = drawn(make_protocol(mix="cutmix"), ids, size=16)
    numbered = ids.float()[:, None, None, None].expand(400, 1, 16, 16)
    mixed = mix(numbered, mixing, "cutmix")
    is_moved = mixing.partner != ids
    own = (mixed == numbered).float().mean((1, 2, 3))
    torch.testing.assert_close(own[is_moved], mixing.share[is_moved])
    at_border = (mixing.box[:, 0] == 0) & (mixing.box[:, 2] > 0)
    assert int(at_border.sum()) > 20


def test_cutmix_pastes_the_box_from_the_same_place_of_the_partner(images, make_protocol):
    mixing = drawn(make_protocol(mix="cutmix"))
    mixed = mix(images, mixing, "cutmix")
    for i in range(64):
        left, top, right, bottom = (int(v) for v in mixing.box[i])
        expected = images[i].clone()
        expected[:, top:bottom, left:right] = images[mixing.partner[i], :, top:bottom, left:right]
        assert torch.equal(mixed[i], expected)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 2.0])
def test_shares_of_mixup_follow_the_beta_distribution(make_protocol, alpha: float):
    protocol = make_protocol(mix="mixup", mix_alpha=alpha)
    shares = drawn(protocol, torch.arange(2000)).share.double().numpy()
    assert kstest(shares, "beta", args=(alpha, alpha)).pvalue > 0.01


def test_shares_and_boxes_of_an_image_do_not_depend_on_its_batch(make_protocol):
    protocol = make_protocol(mix="cutmix")
    whole, part = drawn(protocol), drawn(protocol, IDS[[9, 4]], step=3)
    assert torch.equal(part.share, whole.share[[9, 4]])
    assert torch.equal(part.box, whole.box[[9, 4]])


def test_per_batch_there_is_one_share_and_box_and_another_at_each_step(make_protocol):
    protocol = make_protocol(mix="cutmix", mix_per="batch")
    boxes = [drawn(protocol, step=step).box for step in range(8)]
    assert all(len(b.unique(dim=0)) == 1 for b in boxes)
    assert len(torch.cat(boxes).unique(dim=0)) > 4


def test_partners_are_a_permutation(make_protocol):
    assert torch.equal(drawn(make_protocol(mix="cutmix")).partner.sort().values, IDS)


def test_the_largest_box_is_the_whole_image(make_protocol):
    mixing = dataclasses.replace(
        drawn(make_protocol(mix="cutmix")), box=torch.tensor([[0.0, 0, 8, 8]]).expand(64, 4)
    )
    images = IDS.float()[:, None, None, None].expand(64, 1, 8, 8)
    assert torch.equal(mix(images, mixing, "cutmix"), images[mixing.partner])


def test_aspect_ratios_lie_between_three_quarters_and_four_thirds():
    ramp = torch.stack(torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij"))
    images = ramp.expand(50, 2, 96, 96)
    random = torch.rand(50, 5, generator=torch.Generator().manual_seed(0))
    crop = resized_crop(images, random, scale=(0.25, 0.25), flip=False, size=8)
    heights, widths = (crop[:, c, -1, -1] - crop[:, c, 0, 0] for c in (0, 1))
    expected = torch.exp((2 * random[:, 1] - 1) * math.log(4 / 3))
    torch.testing.assert_close(widths / heights, expected, rtol=1e-3, atol=0)
