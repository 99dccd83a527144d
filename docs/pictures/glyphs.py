"""Draw glyphs.png: real letters, as many that were chosen from them, and as many that were drawn.

python docs/pictures/glyphs.py [key=value ...]
"""

import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw

import ddoq
from ddoq.synthetic import SyntheticSet

EACH, SIDE, SCALE, GAP = 3, 32, 2, 12
COLUMNS = {
    "random real letters": {"distiller": "random"},
    "chosen (decoder nearest)": {"decoder": "nearest"},
    "drawn (decoder unet)": {},
}


def main(changes: list[str]) -> None:
    """Distill three sets, and put the same classes of all side by side."""
    sets = [
        ddoq.distill("glyphs", *changes, **{"images_per_class": EACH, **settings})
        for settings in COLUMNS.values()
    ]
    blocks = [grid(s) for s in sets]
    height, width = blocks[0].shape[1:]
    gap = torch.full((3, height, GAP), 255, dtype=torch.uint8)
    joined = torch.cat([part for block in blocks for part in (block, gap)][:-1], dim=2)
    picture = Image.new("RGB", (SCALE * joined.shape[2], SCALE * height + 24), "white")
    pixels = Image.fromarray(joined.permute(1, 2, 0).numpy())
    picture.paste(
        pixels.resize((SCALE * joined.shape[2], SCALE * height), Image.Resampling.NEAREST)
    )
    drawing = ImageDraw.Draw(picture)
    for place, name in enumerate(COLUMNS):
        drawing.text(
            (SCALE * place * (width + GAP), SCALE * height + 6), name, "black", font_size=14
        )
    picture.save(Path(__file__).with_suffix(".png"), optimize=True)


def grid(synthetic: SyntheticSet) -> torch.Tensor:
    """Return five rows of two classes each."""
    cells = [synthetic.images[synthetic.labels == c][:EACH] for c in range(synthetic.num_classes)]
    strips = [torch.cat(list(images), dim=2) for images in cells]
    half = len(strips) // 2
    return torch.cat([torch.cat(strips[:half], dim=1), torch.cat(strips[half:], dim=1)], dim=2)


if __name__ == "__main__":
    main(sys.argv[1:])
