"""The parts that figures are made of, and how figures are saved."""
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from hypothesis import given, strategies as st
from matplotlib.figure import Figure

from minidl import plotting
from minidl.plotting import canvas
from tests.figures import check_layout, words


@pytest.mark.parametrize("colormap, limits, on_low, on_high", [
    ("gray", None, "white", canvas.INK), ("gray_r", None, canvas.INK, "white"), ("gray", (-1, 2), "white", canvas.INK),
])
def test_a_grid_has_squares_of_the_size_asked_for_and_readable_numbers(colormap, limits, on_low, on_high):
    figure = canvas.blank(200, 200)
    values = np.array([[0.0, 1, 2], [2, 1, 0]])
    axes = canvas.draw_grid(figure, 20, 40, values, 30, "a title", colormap, limits, numbers=".1f")
    box = axes.get_window_extent()
    assert (round(box.width), round(box.height)) == (90, 60) and (round(box.x0), round(box.y1)) == (20, 160)
    assert words(figure) == ["a title", "0.0", "1.0", "2.0", "2.0", "1.0", "0.0"]
    assert axes.texts[0].get_color() == on_low and axes.texts[2].get_color() == on_high
    assert axes.images[0].get_clim() == (limits or (0, 2))
    assert words(canvas.blank(50, 50)) == words(canvas.draw_grid(canvas.blank(50, 50), 0, 0, values, 9).figure) == []


@given(st.integers(1, 600), st.integers(20, 200))
def test_images_become_whole_multiples_or_fractions_near_the_wanted_width(W, wanted):
    width = canvas.whole_multiple(W, wanted)
    assert width % W == 0 if W <= wanted else width == W // round(W / wanted)
    assert 2 / 3 * wanted - 1 <= width <= 3 / 2 * wanted + 1


@pytest.mark.parametrize("width, rows", [(500, 1), (260, 2), (1, 4)])
def test_a_legend_has_as_many_columns_as_fit(width, rows):
    names = ["one", "two", "a longer name", "four"]
    figure = canvas.blank(520, 120, "A headline " * 20)
    canvas.legend(figure, 12, 30, names, width=width)
    check_layout(figure)
    assert words(figure)[1:] == names
    heights = sorted({round(text.get_window_extent().y0) for text in figure.legends[0].get_texts()})
    assert len(heights) == rows and all(18 <= step <= 22 for step in np.diff(heights))


@pytest.mark.parametrize("suffix, magic", [
    ("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG"),
])
def test_save_writes_equal_files_for_equal_figures(tmp_path, suffix, magic):
    figures = [plotting.learning_curves([{"loss": 1.0}], {}) for _ in range(2)]
    paths = [plotting.save(figure, tmp_path / f"new {k}" / f"a.{suffix}") for k, figure in enumerate(figures)]
    assert paths[0] == tmp_path / "new 0" / f"a.{suffix}" and paths[0].read_bytes().startswith(magic)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert [path.name for path in paths[0].parent.iterdir()] == [paths[0].name]  # nothing temporary is left


def test_save_has_the_asked_resolution(tmp_path):
    for dpi in (100, 200):
        with Image.open(plotting.save(canvas.blank(123, 45), tmp_path / "figure.png", dpi)) as image:
            assert image.size == (123 * dpi // 100, 45 * dpi // 100)


@pytest.mark.parametrize("name", ["figure.jpg", "figure"])
def test_save_refuses_other_formats(tmp_path, name):
    with pytest.raises(ValueError, match=rf"end in \.png, \.svg, \.pdf, got '{name}'"):
        plotting.save(Figure(), tmp_path / name)


def test_no_pyplot():
    script = ("import sys; from minidl import plotting; plotting.learning_curves([{'loss': 1.0}], {});"
              "print('matplotlib.pyplot' in sys.modules)")
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False"]
