"""The machine and the libraries of a run, without anything that names the machine."""

import os
import platform
from typing import Any

from ddoq.files.artifacts import versions
from ddoq.processes.world import World

_LIBRARIES = ("torch", "torchvision", "lightning", "timm", "diffusers", "faiss")


def environment(world: World, threads: int | None) -> dict[str, Any]:
    """Return the versions and the hardware that results depend on."""
    import torch

    is_gpu = world.device.type == "cuda"
    return {
        "ddoq": versions("ddoq")["ddoq"],
        "python": platform.python_version(),
        **{name: version for name, version in versions(*_LIBRARIES).items() if version != "absent"},
        "system": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name(world.device) if is_gpu else world.device.type,
        "ranks": world.size,
        "cores": os.cpu_count(),
        "threads": threads or torch.get_num_threads(),
    }
