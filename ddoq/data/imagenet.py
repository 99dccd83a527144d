"""ImageNet's classes: WordNet ids and names, from the lists that timm ships."""

from pathlib import Path


def _lines(file: str) -> list[str]:
    import timm.data

    return (Path(timm.data.__file__).parent / "_info" / file).read_text("utf-8").splitlines()


def imagenet_ids() -> tuple[str, ...]:
    """Return ImageNet-1K's WordNet ids in the usual order of its labels."""
    return tuple(_lines("imagenet_synsets.txt"))


def imagenet_names() -> dict[str, str]:
    """Return all names of each WordNet id, as one line.

    >>> imagenet_names()["n01440764"]
    'tench, Tinca tinca'
    """
    return dict(line.split("\t", 1) for line in _lines("imagenet_synset_to_lemma.txt"))
