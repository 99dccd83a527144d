"""DatasetCondensation's steps, as its `main_DM.py` and `main.py` take them, by its own functions.

The code (github.com/VICO-UoE/DatasetCondensation) lies in a folder of its own, unchanged. Lines
that draw pictures, print and evaluate are left out.
"""

import copy
import importlib
import sys
import time
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
import torch
from torch import nn

from benchmarks.matching.noise import Noise
from benchmarks.matching.options import AUGMENTATION, MODELS, RATES, Options
from benchmarks.matching.pace import Pace
from ddoq import command
from ddoq.errors import ResourceError
from ddoq.recipe import arguments

_ADDRESS = "https://github.com/VICO-UoE/DatasetCondensation"


def refuse_other(folder: Path) -> None:
    """Refuse a folder that does not hold the code."""
    if not (folder / "utils.py").is_file() or not (folder / "networks.py").is_file():
        raise ResourceError(
            f"peer={folder} is not a checkout of DatasetCondensation",
            f"git clone {_ADDRESS} {folder}",
        )


def opened(folder: Path) -> Any:
    """Return the code's module of functions."""
    refuse_other(folder)
    # Newer versions of scipy have the function elsewhere.
    place = "scipy.ndimage.interpolation"
    sys.modules[place] = types.ModuleType(place)
    vars(sys.modules[place])["rotate"] = scipy.ndimage.rotate
    warnings.simplefilter("ignore")
    sys.path.insert(0, str(folder.resolve()))
    return importlib.import_module("utils")


def main(argv: list[str]) -> None:
    """Take the steps."""
    asked = arguments.read(Options, argv, "peer")
    torch.set_num_threads(asked.threads)
    peer = Peer(opened(asked.peer), asked)
    pace, number = Pace(asked.steps), asked.steps * (1 + asked.rounds)
    steps: Iterator[float] = getattr(peer, asked.method)()
    for step in range(number):
        pace.at(step)
        next(steps)
    pace.end(number)


class Peer:
    """The code with the real images and the settings of its scripts."""

    def __init__(self, code: Any, asked: Options) -> None:
        split = Noise().train
        pixels = split.read(torch.arange(len(split)), 32)
        # As `get_network` chooses.
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.code, self.images_all = code, ((pixels / 255 - 0.5) / 0.29).to(self.device)
        self.num_classes, self.channel, self.im_size = 10, 3, (32, 32)
        self.indices_class = [split.of_class(c).tolist() for c in range(10)]
        self.args = types.SimpleNamespace(
            model=MODELS[asked.width],
            ipc=asked.images_per_class,
            lr_img=RATES[asked.method],
            lr_net=0.01,
            batch_real=asked.batch_size,
            batch_train=256,
            dsa=True,
            dsa_strategy=AUGMENTATION,
            dsa_param=code.ParamDiffAug(),
            dc_aug_param=None,
            dis_metric="ours",
            device=self.device,
        )
        self.args.outer_loop, self.args.inner_loop = asked.outer, asked.inner
        if asked.method == "dsa" and not asked.outer:
            self.args.outer_loop, self.args.inner_loop = code.get_loops(asked.images_per_class)
        shape = (10 * asked.images_per_class, self.channel, *self.im_size)
        whose = {"requires_grad": True, "device": self.device}
        self.image_syn = torch.randn(size=shape, dtype=torch.float, **whose)
        labels = torch.arange(10, device=self.device)
        self.label_syn = labels.repeat_interleave(asked.images_per_class)
        for c in range(10):
            own = slice(c * asked.images_per_class, (c + 1) * asked.images_per_class)
            self.image_syn.data[own] = self._get_images(c, asked.images_per_class).detach().data
        self.optimizer_img = torch.optim.SGD([self.image_syn], lr=self.args.lr_img, momentum=0.5)
        self.optimizer_img.zero_grad()

    def _get_images(self, c: int, n: int) -> torch.Tensor:
        idx_shuffle = np.random.permutation(self.indices_class[c])[:n]  # noqa: NPY002 # as there
        return self.images_all[idx_shuffle]

    def _pair(self, c: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return real and synthetic images of a class, augmented alike."""
        args, code = self.args, self.code
        img_real = self._get_images(c, args.batch_real)
        img_syn = self.image_syn[c * args.ipc : (c + 1) * args.ipc].reshape(
            (args.ipc, self.channel, *self.im_size)
        )
        seed = int(time.time() * 1000) % 100000
        how = {"seed": seed, "param": args.dsa_param}
        img_real = code.DiffAugment(img_real, args.dsa_strategy, **how)
        return img_real, code.DiffAugment(img_syn, args.dsa_strategy, **how)

    def _move(self, loss: torch.Tensor) -> float:
        self.optimizer_img.zero_grad()
        loss.backward()
        self.optimizer_img.step()
        return loss.item()

    def _net(self) -> nn.Module:
        net = self.code.get_network(self.args.model, self.channel, self.num_classes, self.im_size)
        net.train()
        return net

    def dm(self) -> Iterator[float]:
        """Take the steps of `main_DM.py`."""
        while True:
            net = self._net()
            for param in list(net.parameters()):
                param.requires_grad = False
            embed: Any = net.embed
            loss = torch.tensor(0.0, device=self.device)
            for c in range(self.num_classes):
                img_real, img_syn = self._pair(c)
                output_real = embed(img_real).detach()
                output_syn = embed(img_syn)
                gap = torch.mean(output_real, dim=0) - torch.mean(output_syn, dim=0)
                loss += torch.sum(gap**2)
            yield self._move(loss)

    def dsa(self) -> Iterator[float]:
        """Take the steps of `main.py`, with the training of the network after each of them."""
        criterion = nn.CrossEntropyLoss()
        while True:
            net = self._net()
            net_parameters = list(net.parameters())
            optimizer_net = torch.optim.SGD(net.parameters(), lr=self.args.lr_net)
            optimizer_net.zero_grad()
            for ol in range(self.args.outer_loop):
                loss = torch.tensor(0.0, device=self.device)
                for c in range(self.num_classes):
                    loss += self._distance(net, net_parameters, criterion, c)
                moved = self._move(loss)
                if ol < self.args.outer_loop - 1:
                    self._train(net, optimizer_net, criterion)
                yield moved

    def _distance(self, net: Any, net_parameters: Any, criterion: Any, c: int) -> torch.Tensor:
        img_real, img_syn = self._pair(c)
        lab_real = torch.ones((img_real.shape[0],), dtype=torch.long, device=self.device) * c
        lab_syn = torch.ones((self.args.ipc,), dtype=torch.long, device=self.device) * c
        loss_real = criterion(net(img_real), lab_real)
        gw_real = torch.autograd.grad(loss_real, net_parameters)
        gw_real = [gradient.detach().clone() for gradient in gw_real]
        loss_syn = criterion(net(img_syn), lab_syn)
        gw_syn = torch.autograd.grad(loss_syn, net_parameters, create_graph=True)
        return self.code.match_loss(gw_syn, gw_real, self.args)

    def _train(self, net: Any, optimizer_net: Any, criterion: Any) -> None:
        image_syn_train = copy.deepcopy(self.image_syn.detach())
        label_syn_train = copy.deepcopy(self.label_syn.detach())
        dst_syn_train = self.code.TensorDataset(image_syn_train, label_syn_train)
        trainloader = torch.utils.data.DataLoader(
            dst_syn_train, batch_size=self.args.batch_train, shuffle=True, num_workers=0
        )
        for _ in range(self.args.inner_loop):
            how = {"aug": self.args.dsa}
            self.code.epoch("train", trainloader, net, optimizer_net, criterion, self.args, **how)


if __name__ == "__main__":
    command.run(main, sys.argv[1:])
