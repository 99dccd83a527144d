"""What is this machine? A part like the others, as asking for its GPU may fail like the others."""

import shutil
import subprocess
from typing import Any

import torch

from benchmarks.gpu.part import Options
from benchmarks.quantizer import measure
from ddoq.processes.forks import cores

_PACKAGES = ("torch", "torchvision", "lightning", "diffusers", "timm", "torchmetrics", "numpy")
_GIB = 2**30


def main(asked: Options) -> None:
    """Note processor, memory, disk, versions and GPU."""
    about = measure.machine(torch.get_num_threads(), _PACKAGES)
    about |= {
        "cores": cores(),
        "memory_gib": round(_memory() / _GIB, 1),
        "disk_free_gib": round(shutil.disk_usage(asked.work).free / _GIB, 1),
        "gpu": None,
    }
    measure.show_machine(about)
    if torch.cuda.is_available():
        about["gpu"] = _gpu()
        print(", ".join(f"{name} {value}" for name, value in about["gpu"].items()))
    else:
        print("no CUDA device: the parts run on the CPU, and their figures are a CPU's")
    asked.note(about)


def _memory() -> int:
    with open("/proc/meminfo", encoding="ascii") as lines:
        return 1024 * int(next(lines).split()[1])


def _gpu() -> dict[str, Any]:
    found = torch.cuda.get_device_properties(0)
    return {
        "name": found.name,
        "memory_gib": round(found.total_memory / _GIB, 1),
        "multiprocessors": found.multi_processor_count,
        "capability": f"{found.major}.{found.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": _asked_of_driver("driver_version"),
        "power_limit": _asked_of_driver("power.limit"),
    }


def _asked_of_driver(what: str) -> str:
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return f"unknown ({type(error).__name__})"
    return done.stdout.strip().splitlines()[0]
