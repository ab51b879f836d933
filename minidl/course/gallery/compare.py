"""Two models' predictions over the same images, with a slider between them."""
import html
from pathlib import Path

import numpy as np

from minidl.course.gallery.images import embed_array
from minidl.runtime.npz import load_arrays
from minidl.types import Array


def comparison(path: Path) -> str:
    """Return HTML with the images of a comparison.npz; empty if there is none.

    The file holds images (n, 3, H, W) uint8, their truth (n, H, W), and two predictions like it, by their name. The
    second of the two predictions lies on the first; how much of it is cut away is the style sheet's `--at`, and
    moved by the slider in page.js.
    """
    if not path.is_file():
        return ""
    arrays = load_arrays(path)
    images, truths = arrays.pop("images"), arrays.pop("truth")
    left, right = arrays
    items = []
    for k, (image, truth) in enumerate(zip(images, truths), start=1):
        shares = {name: f"{(arrays[name][k - 1] == truth).mean():.0%}" for name in (left, right)}
        below, above = (_colored(image, arrays[name][k - 1]) for name in (left, right))
        said = f"{shares[left]} of the pixels right {left}, {shares[right]} {right}"
        first, second = html.escape(f"Image {k}, predicted classes {left}"), html.escape(f"and {right}: {said}")
        items.append(
            f'<li><div class="swipe"><img src="{below}" alt="{first}"><img class="above" src="{above}" alt="{second}">'
            f'</div><p class="ends"><span>{shares[left]} right</span><span>{shares[right]} right</span></p>'
            f'<div class="truth"><img src="{_colored(image, truth)}" alt="Image {k}, true classes"></div>'
            "<p>truth</p></li>")
    return (f'<div class="compare" data-left="{html.escape(left)}" data-right="{html.escape(right)}">'
            f'<div class="ends" aria-hidden="true"><span>{html.escape(left)}</span>'
            f'<span>{html.escape(right)}</span></div>'
            f'<label for="compare-at">Share of each image that is shown {html.escape(left)}; the rest is '
            f'{html.escape(right)}</label>'
            '<input type="range" id="compare-at" min="0" max="100" value="50" step="1" aria-valuemin="0" '
            'aria-valuemax="100" aria-valuenow="50" aria-valuetext="50 %">'
            f'<ul>{"".join(items)}</ul></div>')


def _colored(image: Array, classes: Array) -> str:
    """Return an image (3, H, W) uint8 with the class colors (H, W) laid over it, as data."""
    from minidl.plotting.pictures import overlay
    return embed_array(np.asarray(overlay(image, classes, 0.55)))
