"""The display of sets and results in a terminal and in a notebook."""

import base64
import io
from collections.abc import Sequence
from html import escape

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

# Viewers enlarge small pictures to about this width.
_SHOWN = 64
_STYLE = "image-rendering:pixelated;margin:1px"


def png(image: UInt8[Tensor, "c h w"] | Float[Tensor, "c h w"], longest: int | None = None) -> str:
    """Return an image as a data URL. Floats are clamped, and at most three channels are shown.

    Args:
        image: An image in image space.
        longest: The side to which a larger image is reduced.
    """
    from PIL import Image

    if image.is_floating_point():
        image = (image.clamp(0, 1) * 255).round().to(torch.uint8)
    channels = image[:3] if len(image) >= 3 else image[:1].expand(3, -1, -1)
    picture = Image.fromarray(channels.permute(1, 2, 0).contiguous().cpu().numpy())
    if longest and max(picture.size) > longest:
        picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def gallery(rows: Sequence[tuple[str, Sequence[Tensor]]], caption: str) -> str:
    """Return rows of pictures, each with its name, as HTML."""
    lines = [
        f"<tr><th style='text-align:left'>{escape(name)}</th><td>"
        + "".join(f"<img src='{png(i, 256)}' height='{_SHOWN}' style='{_STYLE}'>" for i in images)
        + "</td></tr>"
        for name, images in rows
    ]
    return f"<p>{escape(caption)}</p><table>{''.join(lines)}</table>"


def html_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as HTML."""
    head = "".join(f"<th>{escape(h)}</th>" for h in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in rows)
    return f"<p><b>{escape(title)}</b></p><table><tr>{head}</tr>{body}</table>"


def text_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as plain text.

    >>> print(text_table("digits", ("row", "a"), [("ddoq", "96.0")]))
    digits
      row   a
      ddoq  96.0
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]
    return "\n  ".join([title, *lines])
