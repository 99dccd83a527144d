import torch
from lightning import LightningModule

from ddoq.data.images import Images
from ddoq.data.loaders import Loaders


class _Listening(LightningModule):
    """Learns nothing; notes the first pixels of the images that come by."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.net = torch.nn.Linear(1, 1)
        self.seen = {"train": [], "val": []}

    def training_step(self, batch, batch_idx):
        self.seen["train"] += first_pixels(batch[0])

    def validation_step(self, batch, batch_idx):
        self.seen["val"] += first_pixels(batch[0])

    def configure_optimizers(self):
        return torch.optim.SGD(self.net.parameters(), lr=0.1)


def first_pixels(images: torch.Tensor) -> list[float]:
    return images[:, 0, 0, 0].tolist()


def test_a_loader_gives_the_test_images_in_order(tiny_images: Images):
    batches = list(Loaders(tiny_images).test_dataloader())
    expected = tiny_images.pixels("test").float() / 255
    torch.testing.assert_close(torch.cat([x for x, _ in batches]), expected)
    assert torch.cat([y for _, y in batches]).equal(tiny_images.test.labels)


def test_a_trainer_sees_every_image_once_and_those_of_train_shuffled(tiny_images, make_trainer):
    torch.manual_seed(0)
    module = _Listening()
    make_trainer(num_sanity_val_steps=0).fit(module, datamodule=Loaders(tiny_images))
    train, val = (first_pixels(tiny_images.pixels(s).float() / 255) for s in ("train", "val"))
    assert sorted(module.seen["train"]) == sorted(train)
    assert module.seen["train"] != train
    assert module.seen["val"] == val
