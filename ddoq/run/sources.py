"""The files of a folder of weights that a component reads. Their content is part of its key."""

from pathlib import Path

from ddoq.autoencoders.converted import PICKLE, WHOLE, has_safetensors
from ddoq.files.artifacts import fingerprint, hash_of_files, sha256
from ddoq.recipe import shipped
from ddoq.recipe.component import Block

_MODEL = (
    "config.json",
    "{0}.safetensors",
    "{0}.safetensors.index.json",
    "{0}-*.safetensors",
)
_DIFFUSERS = (
    *(pattern.format("diffusion_pytorch_model") for pattern in _MODEL),
    PICKLE,
)
_TRANSFORMERS = tuple(pattern.format("model") for pattern in _MODEL)
SCHEDULE_FILE = "scheduler/scheduler_config.json"
# By kind and name. Other components, a user's among them, may read any file.
_READ = {
    ("autoencoder", "kl"): tuple(f"<subfolder>/{p}" for p in _DIFFUSERS),
    ("autoencoder", "tiny"): tuple(f"<subfolder>/{p}" for p in _DIFFUSERS),
    ("autoencoder", "dc"): tuple(f"<subfolder>/{p}" for p in _DIFFUSERS),
    ("prior", "dit"): (
        *(f"<subfolder>/{p}" for p in _DIFFUSERS),
        SCHEDULE_FILE,
        "classes.json",
        "prior.json",
    ),
    ("prior", "unet"): (
        *(f"<subfolder>/{p}" for p in _DIFFUSERS),
        *(SCHEDULE_FILE, "classes.json", "prior.json"),
    ),
    ("prior", "stable_diffusion"): (
        *(f"unet/{p}" for p in _DIFFUSERS),
        *(f"text_encoder/{p}" for p in _TRANSFORMERS),
        *("tokenizer/*.json", "tokenizer/*.txt"),
        SCHEDULE_FILE,
    ),
    ("prior", "sdxl"): (
        *(f"unet/{p}" for p in _DIFFUSERS),
        *(f"text_encoder{n}/{p}" for n in ("", "_2") for p in _TRANSFORMERS),
        *(f"tokenizer{n}/{p}" for n in ("", "_2") for p in ("*.json", "*.txt")),
        *(SCHEDULE_FILE, "model_index.json"),
    ),
    ("teacher", "trained"): ("teacher.json", "model.safetensors"),
}
# Files without which a folder is not of its kind.
_NEEDED = ("config.json", "model_index.json")
# Files for people, or written by the program about a folder's origin.
_UNREAD = ("manifest.json", "trained_on.safetensors", "README*", "LICENSE*", "*.md")


def weights_fingerprint(kind: str, block: Block) -> str:
    """Hash the names and contents of the files that a component reads from its `source`.

    A source that is not on this machine is returned as it is: an id on the Hub, with a revision.
    """
    folder = shipped.locate(block["source"])
    if not folder.exists():
        return block["source"]
    if folder.is_file():
        beside = folder.with_name("classes.json")
        is_listed = kind == "prior" and beside.is_file()
        return fingerprint([sha256(folder), sha256(beside)] if is_listed else sha256(folder))
    patterns = _READ.get((kind, block["name"]), ())
    subfolder = block.get("subfolder") or "."
    read = {f for p in patterns for f in folder.glob(p.replace("<subfolder>", subfolder))}
    read -= {f for f in read if f.suffix == ".bin" and has_safetensors(f.parent)}
    return hash_of_files(folder, (f for f in read or _all(folder) if f.is_file()))


def files_lacking(kind: str, block: Block) -> list[str]:
    """Return the files that a component cannot do without, and that its folder does not have."""
    folder, subfolder = shipped.locate(block["source"]), block.get("subfolder") or "."
    prefix = "" if subfolder == "." else f"{subfolder}/"
    names = [p.replace("<subfolder>/", prefix) for p in _READ.get((kind, block["name"]), ())]
    lacking = [name for name in names if name.endswith(_NEEDED) and not (folder / name).is_file()]
    models = [(folder / name).parent for name in names if name.endswith(PICKLE)]
    return lacking + [
        (model / WHOLE).relative_to(folder).as_posix()
        for model in models
        if not has_safetensors(model) and not (model / PICKLE).is_file()
    ]


def _all(folder: Path) -> list[Path]:
    files = [f for f in folder.rglob("*") if not any(map(f.match, _UNREAD))]
    # A hub client keeps its notes in hidden folders.
    return [f for f in files if not any(p.startswith(".") for p in f.relative_to(folder).parts)]
