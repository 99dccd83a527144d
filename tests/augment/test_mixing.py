import dataclasses

import pytest
import torch
from scipy.stats import kstest

from ddoq.augment.mixing import draw_mixing, mix

IDS = torch.arange(64)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def drawn(protocol, ids=IDS, **changes):
    return draw_mixing(ids, protocol, **{"seed": 0, "epoch": 0, "step": 0, "size": 8, **changes})


def test_mixup_is_the_convex_combination(images, make_protocol):
    mixing = drawn(make_protocol(mix="mixup"))
    share = mixing.share[:, None, None, None]
    expected = share * images + (1 - share) * images[mixing.partner]
    torch.testing.assert_close(mix(images, images[mixing.partner], mixing, "mixup"), expected)


def test_the_share_of_cutmix_is_the_area_that_is_left_also_at_the_border(make_protocol):
    ids = torch.arange(400)
    mixing = drawn(make_protocol(mix="cutmix"), ids, size=16)
    numbered = ids.float()[:, None, None, None].expand(400, 1, 16, 16)
    mixed = mix(numbered, numbered[mixing.partner], mixing, "cutmix")
    is_moved = mixing.partner != ids
    own = (mixed == numbered).float().mean((1, 2, 3))
    torch.testing.assert_close(own[is_moved], mixing.share[is_moved])
    at_border = (mixing.box[:, 0] == 0) & (mixing.box[:, 2] > 0)
    assert int(at_border.sum()) > 20


def test_cutmix_pastes_the_box_from_the_same_place_of_the_partner(images, make_protocol):
    mixing = drawn(make_protocol(mix="cutmix"))
    mixed = mix(images, images[mixing.partner], mixing, "cutmix")
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
    assert torch.equal(
        mix(images, images[mixing.partner], mixing, "cutmix"), images[mixing.partner]
    )
