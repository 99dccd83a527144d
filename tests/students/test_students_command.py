import subprocess
import sys

import pytest
import torch
from torch import nn

from ddoq.errors import UsageError
from ddoq.recipe.tables import STUDENTS
from ddoq.students.command import main
from ddoq.students.listing import matching
from ddoq.students.size import size_of


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    main(list(arguments))
    return capsys.readouterr().out.splitlines()


def test_our_networks_are_listed_with_settings_and_defaults(capsys):
    lines = printed(capsys)
    for name in ("convnet", "resnet", "resnetap"):
        assert any(line.startswith(f"{name}: ") for line in lines)
    assert "  pooling=average   average, max, none" in lines
    assert "  stem=auto         auto, small, large" in lines


def test_it_is_said_how_others_are_named(capsys):
    text = "\n".join(printed(capsys))
    for family in ("timm/NAME", "torchvision/NAME", "package.module:Name"):
        assert family in text


def test_a_pattern_finds_names_of_all_families(capsys):
    lines = printed(capsys, "search=resnet*")
    assert lines[:2] == ["resnet", "resnetap"]
    assert {"timm/resnet18", "torchvision/resnet18"} <= set(lines)
    assert "timm/seresnet18" not in lines


def test_plain_text_is_found_anywhere_in_a_name():
    known = ["convnet", "timm/test_vit", "timm/maxvit_nano", "torchvision/vit_b_16"]
    assert matching("ViT", known) == known[1:]
    assert matching("vit*", known) == ["torchvision/vit_b_16"]
    assert matching("timm/*vit", known) == ["timm/test_vit"]


def test_what_no_name_matches_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"named like 'convnt' \(did you mean 'convnet'"):
        matching("convnt", list(STUDENTS))


def test_a_network_is_made_and_measured(capsys):
    assert printed(capsys, "name=resnet", "depth=20", "norm=batch") == [
        "resnet for 10 classes of 3 x 32 x 32 images",
        "  parameters     0.270 million",
        "  multiply-adds  40.551 million per image",
        "  features       64",
    ]


def test_timms_are_measured_too(capsys):
    lines = printed(capsys, "name=timm/test_vit", "image_size=16", "num_classes=3", "channels=1")
    assert lines[0] == "timm/test_vit for 3 classes of 1 x 16 x 16 images"
    assert lines[-1] == "  features       64"


class Attention(nn.Module):
    """Two tokens of four channels attend to each other."""

    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(4, 1, bias=False, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.flatten(2)
        return self.head(self.attend(tokens, tokens, tokens, need_weights=False)[0].mean(1))


def test_attention_is_counted():
    size = size_of(Attention(), "attention", num_classes=3, channels=2, image_size=2)
    projections, products = 4 * (2 * 4 * 4), 2 * (2 * 2 * 4)
    assert size.multiply_adds == projections + products + 4 * 3
    assert (size.parameters, size.features) == (4 * 4 * 4 + 4 * 3 + 3, 4)


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["image_sizes=8"], "there is no key 'image_sizes' (did you mean 'image_size'?)"),
        (["depth=20"], "there is no key 'depth'"),
        (["name=resnet", "dpth=20"], "takes no 'dpth' (did you mean 'depth'?)"),
        (["name=resnet", "depth=deep"], "student.depth: 'deep' is not a whole number"),
        (["name=resnet", "norm=[1"], "'norm=[1' cannot be read"),
        (["name=resnt"], "there is no 'resnt' (did you mean 'resnet'?)"),
        (["name=resnet", "image_size=0"], "image_size=0"),
        (["name=resnet", "search=vit"], "search= and name= ask for two things"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], cause: str):
    with pytest.raises(UsageError) as caught:
        main(arguments)
    assert cause in caught.value.cause


_LIGHT = """
import sys
from ddoq.errors import UsageError
from ddoq.students.command import main
for argument in ("image_sizes=8", "name=resnet dpth=20"):
    try:
        main(argument.split())
    except UsageError as error:
        print(error.cause)
main([])
print(*sorted({"torch", "timm", "torchvision", "lightning"} & set(sys.modules)))
"""


def test_a_wrong_argument_and_the_listing_cost_no_heavy_import(environment):
    command = [sys.executable, "-W", "error", "-c", _LIGHT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == ""


@pytest.mark.parametrize("start", ["-m ddoq.students", "-m ddoq students"])
def test_a_wrong_argument_is_two_lines_and_exit_code_2(environment, start: str):
    command = [sys.executable, "-W", "error", *start.split(), "image_sizes=8"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    cause, _ = done.stderr.splitlines()
    assert cause == "error: there is no key 'image_sizes' (did you mean 'image_size'?)"
