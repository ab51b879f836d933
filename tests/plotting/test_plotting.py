"""Figures are rendered without a display, and what matters on them is read back: colors, sizes, texts, data."""
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from hypothesis import example, given, strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from minidl import plotting
from minidl.plotting import canvas
from minidl.plotting.scores import spread, ticks_of

N, H, W = 3, 24, 32
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, size=(N, 3, H, W), dtype=np.uint8)
LABELS = RNG.integers(0, 3, size=(N, H, W))
GUESSES = RNG.integers(0, 3, size=(N, H, W))
PALETTE = np.round(255 * np.array([to_rgb(color) for color in plotting.CLASS_COLORS])).astype(np.uint8)  # (3, 3)
HISTORY = [{"epoch": k, "loss": 1 / k, "lr": 2e-3, "seconds": 3.1} | (
    {"test_loss": 1.1 / k, "test_mean_iou": 1 - 1 / k, "test_border_iou": 0.98 - 1 / k} if k % 2 == 0 else {})
    for k in range(1, 9)]
BARS = {"U-Net": {"object": 0.83, "background": 1.0, "border": 0.41},
        "a model with a rather long name": {"iou_object": 0.7, "iou_background": 0.88, "mean_iou": 0.79},
        "third": {"object": 0.0, "background": 0.5, "border": float("nan")}}


def render(figure, dpi=100):
    """The figure's pixels, (rows, columns, 3) uint8."""
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def texts(figure):
    """All texts that are seen: free ones, and the labels of ticks within the axes."""
    seen = list(figure.texts)
    for axes in figure.axes:
        seen += axes.texts
        if axes.axison:
            seen.append(axes.xaxis.label)
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                seen += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [text for text in seen if text.get_text()]


def extent(text):
    """The box around a text in pixels, without the line that leads to it."""
    return Text.get_window_extent(text)


def words(figure):
    return [text.get_text() for text in texts(figure)]


def make_grid(**options):
    return plotting.prediction_grid(IMAGES, LABELS, GUESSES, **options)


FIGURES = {
    "grid": lambda: make_grid(),
    "grid of two columns": lambda: make_grid(names=["Abyssinian_1", "pug_22", "x" * 90], columns=2,
                                             notes=["mean IoU 0.71", "", "0.5 " * 30], title="Tests " * 40),
    "grid of models": lambda: plotting.prediction_grid(
        IMAGES / 255, LABELS, {"U-Net": GUESSES, "without any skip connections": LABELS}, names=["a", "b", "c" * 60],
        notes={"U-Net": ["IoU 0.2"] * N, "without any skip connections": ["IoU 1.0 " * 9] * N}),
    "curves": lambda: plotting.learning_curves(HISTORY, title="U-Net"),
    "curves, logarithmic": lambda: plotting.learning_curves(HISTORY, log_loss=True),
    "curves of one epoch": lambda: plotting.learning_curves(HISTORY[:1]),
    "curves, large and small": lambda: plotting.learning_curves(
        [{"loss": 12345.6 / k, "test_a": -0.00021 * k, "test_b": 0.0} for k in range(1, 200)]),
    "curves, many": lambda: plotting.learning_curves(
        [{"loss": 0.1, "test_loss": 0.1} | {f"test_score_{k}": 0.5 for k in range(18)}] * 3),
    "bars of one": lambda: plotting.class_bars(BARS["U-Net"], title="IoU of each class"),
    "bars of several": lambda: plotting.class_bars(BARS, title="Comparison"),
    "strip": lambda: plotting.image_strip(IMAGES, ["one", "two", "three " * 20], title="Three"),
}


@pytest.mark.parametrize("dpi", [100, 200])
@pytest.mark.parametrize("name", FIGURES)
def test_texts_neither_overlap_nor_leave_the_figure(name, dpi):
    figure = FIGURES[name]()
    rows, columns, _ = render(figure, dpi).shape
    boxes = [(text.get_text(), extent(text)) for text in texts(figure)]
    assert boxes
    for k, (text, box) in enumerate(boxes):
        assert 0 <= box.x0 and box.x1 <= columns and 0 <= box.y0 and box.y1 <= rows, text
        for other, b in boxes[:k]:
            apart = box.x1 <= b.x0 or b.x1 <= box.x0 or box.y1 <= b.y0 + 2 or b.y1 <= box.y0 + 2
            assert apart, (text, other)


@pytest.mark.parametrize("name", FIGURES)
def test_texts_do_not_lie_on_pictures(name):
    figure = FIGURES[name]()
    render(figure)
    pictures = [axes.get_window_extent() for axes in figure.axes if axes.images]
    for text in texts(figure):
        box = extent(text)
        for b in pictures:
            apart = box.x1 <= b.x0 or b.x1 <= box.x0 or box.y1 <= b.y0 + 1 or b.y1 <= box.y0 + 1
            assert apart, text.get_text()


# Colors

def test_colorize():
    picture = plotting.colorize(np.array([[0, 1], [2, 0]], np.uint8))
    assert picture.shape == (2, 2, 3) and picture.dtype == np.float64
    assert np.array_equal(picture[1, 0], to_rgb(plotting.CLASS_COLORS[2]))
    assert np.array_equal(picture[0, 0], picture[1, 1]) and not np.array_equal(picture[0, 0], picture[0, 1])
    assert plotting.colorize(np.array([[3]]), ["k", "k", "k", "r"]).tolist() == [[[1, 0, 0]]]


def test_class_colors_differ_in_lightness():
    luminance = np.sort(PALETTE @ [0.2126, 0.7152, 0.0722])
    assert np.diff(luminance).min() > 50                    # of 255: told apart even in grays


def test_overlay_mixes_picture_and_class_colors():
    image = np.zeros((3, 1, 2), np.uint8)
    image[:, 0, 1] = 255, 51, 0
    labels = np.array([[1, 1]])
    color = np.array(to_rgb(plotting.CLASS_COLORS[1]))
    mixed = plotting.overlay(image, labels, alpha=0.25)
    np.testing.assert_allclose(mixed, [[0.25 * color, 0.75 * np.array([1, 0.2, 0]) + 0.25 * color]])
    np.testing.assert_allclose(plotting.overlay(image / 255, labels, alpha=0.25), mixed)
    assert np.array_equal(plotting.overlay(image, labels, alpha=1), plotting.colorize(labels))


@pytest.mark.parametrize("call, message", [
    (lambda: plotting.colorize(np.zeros((2, 2))), r"integer labels of shape \(H, W\), got float64"),
    (lambda: plotting.colorize(np.zeros(2, int)), r"got int\d+ \(2,\)"),
    (lambda: plotting.colorize(np.array([[0, 255]])), r"lie in 0\.\.2 .* got 255"),
    (lambda: plotting.colorize(np.array([[0, -1]])), r"got -1"),
    (lambda: plotting.overlay(IMAGES[0], LABELS[0, 1:]), r"height and width \(24, 32\), got \(23, 32\)"),
    (lambda: plotting.overlay(IMAGES, LABELS), r"picture of shape \(3, H, W\), got \(3, 3, 24, 32\)"),
    (lambda: plotting.overlay(IMAGES[0], LABELS[0], alpha=2), r"alpha must lie in \[0, 1\], got 2"),
    (lambda: plotting.overlay(IMAGES[0] * 1.0, LABELS[0]), r"must lie in \[0, 1\], got values from 0 to 255"),
    (lambda: plotting.overlay(IMAGES[0] * np.nan, LABELS[0]), r"must lie in \[0, 1\], got values from nan"),
    (lambda: plotting.overlay(IMAGES[0].astype(int), LABELS[0]), r"uint8, or floats in \[0, 1\]; got int"),
])
def test_pictures_and_labels_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Grids and strips

def area(pixels, axes, dpi=100):
    """The pixels that axes cover."""
    rows, columns, _ = pixels.shape
    x0, y0, x1, y1 = axes.get_position().extents * [columns, rows, columns, rows]
    assert np.allclose([x0, y0, x1, y1], np.round([x0, y0, x1, y1]), rtol=0, atol=1e-3)  # on whole pixels
    return pixels[rows - round(y1):rows - round(y0), round(x0):round(x1)]


@pytest.mark.parametrize("dpi", [100, 200])
def test_grid_shows_each_pixel_of_a_label_map_as_a_square_of_its_class_color(dpi):
    figure = make_grid(columns=2, names=["a", "b", "c"], title="headline")
    pixels = render(figure, dpi)
    assert len(figure.axes) == 3 * N                        # picture, truth, prediction of each sample in turn
    scale = 4 * dpi // 100                                  # 4 * 32 = 128 is the multiple nearest to 136
    for n in range(N):
        picture, truth, guess = figure.axes[3 * n:3 * n + 3]
        for axes, expected in ((picture, IMAGES[n].transpose(1, 2, 0)), (truth, PALETTE[LABELS[n]]),
                               (guess, PALETTE[GUESSES[n]])):
            assert np.array_equal(area(pixels, axes), expected.repeat(scale, axis=0).repeat(scale, axis=1))


def test_grid_names_its_columns_rows_and_classes():
    written = words(make_grid(names=["Abyssinian_1", "pug_2", "$x_3$"], notes=["0.1", "0.2", "0.3"], title="Pets"))
    assert written[0] == "Pets"
    for text in ["picture", "truth", "prediction", "Abyssinian_1", "pug_2", "$x_3$", "0.1", "0.2", "0.3",
                 "object", "background", "border"]:
        assert written.count(text) == 1, text
    models = {"U-Net": GUESSES, "plain": LABELS}
    figure = plotting.prediction_grid(IMAGES, LABELS, models, columns=2, class_names=("pet", "rest", "edge"),
                                      notes={"U-Net": ["u1", "u2", "u3"], "plain": ["p1", "p2", "p3"]})
    written = words(figure)
    assert len(figure.axes) == 4 * N
    for head in ["picture", "truth", "U-Net", "plain"]:
        assert written.count(head) == 2, head               # over both columns of samples
    for text in ["u1", "u2", "u3", "p1", "p2", "p3", "pet", "rest", "edge"]:
        assert written.count(text) == 1, text
    assert "bild" in words(make_grid(titles=["bild", "soll", "ist"]))


def test_eight_samples_in_two_columns_are_a_landscape_figure():
    images, labels = np.zeros((8, 3, 64, 64), np.uint8), np.zeros((8, 64, 64), int)
    names = ["a"] * 8
    width, height = plotting.prediction_grid(images, labels, labels, names=names, columns=2).get_size_inches()
    assert 6 < height < width < 10


@pytest.mark.parametrize("change, message", [
    ({"images": IMAGES[0]}, r"images of shape \(N, 3, H, W\), got \(3, 24, 32\)"),
    ({"images": IMAGES.transpose(0, 2, 3, 1)}, r"images of shape \(N, 3, H, W\), got \(3, 24, 32, 3\)"),
    ({"images": IMAGES[:0], "labels": LABELS[:0], "predictions": GUESSES[:0]}, r"got \(0, 3, 24, 32\)"),
    ({"labels": LABELS[:2]}, r"labels of shape \(3, 24, 32\), got \(2, 24, 32\)"),
    ({"predictions": {"U-Net": GUESSES[:, 1:]}}, r"predictions of 'U-Net' of shape .* got \(3, 23, 32\)"),
    ({"labels": LABELS + 1}, r"labels must lie in 0\.\.2"),
    ({"names": ["a", "b"]}, r"expected 3 names, got \['a', 'b'\]"),
    ({"names": "abc"}, r"expected 3 names, got 'abc'"),
    ({"titles": ["a", "b"]}, r"expected 3 titles"),
    ({"notes": ["a"]}, r"expected 3 notes"),
    ({"notes": {"other": ["a"] * 3}}, r"expected notes for \['prediction'\], got notes for \['other'\]"),
    ({"notes": {"prediction": ["a"]}}, r"expected 3 notes for 'prediction'"),
    ({"columns": 0}, r"got columns 0"),
    ({"class_names": "abcd"}, r"4 class names and 3 colors"),
])
def test_grid_refuses(change, message):
    arguments = {"images": IMAGES, "labels": LABELS, "predictions": GUESSES} | change
    with pytest.raises(ValueError, match=message):
        plotting.prediction_grid(**arguments)


def test_strip_of_pictures_label_maps_and_values():
    figure = plotting.image_strip(IMAGES, ["a", "b", "c"], columns=2)
    pixels = render(figure)
    assert np.array_equal(area(pixels, figure.axes[2]), IMAGES[2].transpose(1, 2, 0).repeat(3, 0).repeat(3, 1))
    lefts = [axes.get_position().x0 for axes in figure.axes]
    assert lefts[0] == lefts[2] < lefts[1]                  # two side by side, the third below the first
    assert words(figure) == ["a", "b", "c"]

    figure = plotting.image_strip(LABELS)                   # integers: class colors
    assert np.array_equal(area(render(figure), figure.axes[1]), PALETTE[LABELS[1]].repeat(3, 0).repeat(3, 1))

    values = np.array([[[-1.0, 0.0]], [[1.0, 3.0]]])        # floats: grays, one scale for all maps
    for maps in (values, values[:, None]):                  # (N, H, W) and (N, 1, H, W)
        figure = plotting.image_strip(maps, cell=2)
        pixels = render(figure)
        grays = [area(pixels, axes)[0, :, 0].tolist() for axes in figure.axes]
        assert grays == [[0, 64], [128, 255]]               # 255 * (0, 1/4), 255 * (2/4, 1), rounded as by matplotlib
    figure = plotting.image_strip(values, limits=(0, 1), cell=2)
    pixels = render(figure)
    assert [area(pixels, axes)[0, :, 0].tolist() for axes in figure.axes] == [[0, 0], [255, 255]]
    figure = plotting.image_strip(np.array([[[0, 200]]], np.uint8), colormap="gray", cell=2)
    assert area(render(figure), figure.axes[0])[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize("images, options, message", [
    (IMAGES[0, 0], {}, r"shape \(N, 3, H, W\) or \(N, H, W\), got \(24, 32\)"),
    (np.zeros((2, 4, 5, 5)), {}, r"got \(2, 4, 5, 5\)"),
    (np.zeros((0, 3, 5, 5)), {}, r"got \(0, 3, 5, 5\)"),
    (IMAGES, {"titles": ["a"]}, "expected 3 titles"),
    (IMAGES, {"columns": 0}, "columns >= 1, got 0"),
])
def test_strip_refuses(images, options, message):
    with pytest.raises(ValueError, match=message):
        plotting.image_strip(images, **options)


@given(st.integers(1, 600), st.integers(20, 200))
def test_pictures_become_whole_multiples_or_fractions_near_the_wanted_width(W, wanted):
    width = canvas.whole_multiple(W, wanted)
    assert width % W == 0 if W <= wanted else width == W // round(W / wanted)
    assert 2 / 3 * wanted - 1 <= width <= 3 / 2 * wanted + 1


# Learning curves

def plotted(axes):
    """The curves of axes as {color: (x, y)}; the dots at the ends are left out."""
    return {line.get_color(): (line.get_xdata().tolist(), line.get_ydata().tolist())
            for line in axes.lines if line.get_linestyle() != "None"}


def test_curves_show_what_was_recorded_and_where():
    left, right = plotting.learning_curves(HISTORY).axes
    blue, red = canvas.LINE_COLORS[:2]
    assert plotted(left) == {blue: (list(range(1, 9)), [1 / k for k in range(1, 9)]),
                             red: ([2, 4, 6, 8], [1.1 / k for k in (2, 4, 6, 8)])}
    assert plotted(right) == {blue: ([2, 4, 6, 8], [1 - 1 / k for k in (2, 4, 6, 8)]),
                              red: ([2, 4, 6, 8], [0.98 - 1 / k for k in (2, 4, 6, 8)])}
    assert [text.get_text() for text in left.texts] == ["training  0.125", "test  0.138"]
    assert [text.get_text() for text in right.texts] == ["mean IoU  0.875", "border IoU  0.855"]
    assert right.get_ylim() == (0, 1) and left.get_ylim()[0] == 0
    assert "test score" in words(right.figure)


def test_curves_of_chosen_scores():
    left, right = plotting.learning_curves(HISTORY, ["test_border_iou", "seconds", "never"]).axes
    assert [text.get_text() for text in right.texts] == ["test border IoU  0.855", "seconds  3.100"]
    left, right = plotting.learning_curves(HISTORY, {"test_border_iou": "thin parts"}).axes
    assert [text.get_text() for text in right.texts] == ["thin parts  0.855"]
    left, right = plotting.learning_curves(HISTORY, ["never"]).axes
    assert [text.get_text() for text in right.texts] == ["none recorded"]


def test_curves_leave_out_what_is_missing_or_not_finite():
    history: list[dict] = [{"loss": 2.0}, {"loss": float("nan"), "test_a": None}, {},
                           {"loss": 1.0, "test_a": float("inf")}]
    left, right = plotting.learning_curves(history).axes
    assert list(plotted(left).values()) == [([1, 4], [2, 1])]
    assert not plotted(right)
    left, right = plotting.learning_curves([{"test_a": 3}]).axes
    assert not plotted(left) and list(plotted(right).values()) == [([1], [3])]


def test_curves_on_a_logarithmic_axis():
    left, right = plotting.learning_curves(HISTORY, log_loss=True).axes
    assert (left.get_yscale(), right.get_yscale()) == ("log", "linear")
    assert left.get_ylim() == pytest.approx((0.1, 2))       # 1/8 and 1, out to the next marks 1, 2, 5
    left, _ = plotting.learning_curves([{"loss": 0.0}, {"loss": 1.0}], log_loss=True).axes
    assert left.get_yscale() == "linear"


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=5), st.booleans())
@example([999999.9999999999], True)                      # whose log10 is rounded to 6
def test_marks_enclose_the_values(values, log):
    y = np.array(values)
    ticks = ticks_of([("", y, y)], log, unit=False)
    assert ticks == sorted(ticks) and len(ticks) >= 2
    assert ticks[0] <= min(values) * (1 + 1e-9) and ticks[-1] >= max(values) * (1 - 1e-9)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_spread_keeps_order_distance_and_range(heights):
    moved = spread(heights, 0.1)
    assert all(-1e-9 <= height <= 1 + 1e-9 for height in moved)
    assert np.all(np.diff(sorted(moved)) >= 0.1 - 1e-9)
    for a, b in zip(heights, moved):
        for c, d in zip(heights, moved):
            assert not (a < c and b > d)
    if len(heights) > 1 and np.diff(sorted(heights)).min() >= 0.1:
        assert moved == pytest.approx(heights)              # what fits is not moved


@pytest.mark.parametrize("history, message", [([], "got an empty one"), ([1.0, 2.0], "got float")])
def test_curves_refuse(history, message):
    with pytest.raises(ValueError, match=message):
        plotting.learning_curves(history)


# Bars

def bars(axes):
    """(color, height) of each bar from left to right."""
    patches = sorted(axes.patches, key=lambda patch: patch.get_x())
    return [(patch.get_facecolor()[:3], patch.get_height()) for patch in patches]


def test_bars_have_the_height_of_the_scores():
    figure = plotting.class_bars(BARS)
    axes, = figure.axes
    drawn = bars(axes)
    assert [[height for color, height in drawn if color == to_rgb(expected)]
            for expected in canvas.LINE_COLORS[:3]] == [[0.83, 1.0, 0.41], [0.7, 0.88], [0.0, 0.5]]
    assert axes.get_ylim() == (0, 1)
    assert [text.get_text() for text in axes.texts] == [
        "0.83", "0.70", "0.00", "1.00", "0.88", "0.50", "0.41", "–", "–"]
    assert all(text in words(figure) for text in [*BARS, "object", "background", "border", "IoU"])


def test_bars_of_one_model_have_the_class_colors():
    axes, = plotting.class_bars(BARS["U-Net"]).axes
    assert bars(axes) == list(zip(map(to_rgb, plotting.CLASS_COLORS), [0.83, 1.0, 0.41]))


@pytest.mark.parametrize("scores, message", [
    ({}, r"expected scores of \('object'.*got \[\]"),
    ({"U-Net": {"cat": 0.5}}, r"for 'U-Net', got \['cat'\]"),
    ({"object": 1.5}, r"'object' must lie in \[0, 1\], got 1.5"),
])
def test_bars_refuse(scores, message):
    with pytest.raises(ValueError, match=message):
        plotting.class_bars(scores)


# Files

@pytest.mark.parametrize("suffix, magic", [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"),
                                           (".PNG", b"\x89PNG")])
def test_save_writes_equal_files_for_equal_figures(tmp_path, suffix, magic):
    first = plotting.save(FIGURES["curves"](), tmp_path / "new" / "folder" / f"a{suffix}")
    second = plotting.save(FIGURES["curves"](), str(tmp_path / f"b{suffix}"))
    assert first == tmp_path / "new" / "folder" / f"a{suffix}"
    assert first.read_bytes().startswith(magic)
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in first.parent.iterdir()] == [first.name]  # nothing temporary is left


def test_save_has_the_asked_resolution(tmp_path):
    figure = make_grid()
    width, height = np.round(figure.get_size_inches() * 100).astype(int)
    for dpi in (100, 200):
        with Image.open(plotting.save(figure, tmp_path / "grid.png", dpi)) as picture:
            assert picture.size == (width * dpi // 100, height * dpi // 100)


def test_save_keeps_the_old_file_when_it_fails(tmp_path):
    class Broken(Figure):
        def savefig(self, fname, **options):
            fname.write_bytes(b"half a pict")
            raise OSError("disk full")

    path = tmp_path / "figure.png"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="disk full"):
        plotting.save(Broken(), path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["figure.png"]


@pytest.mark.parametrize("name", ["figure.jpg", "figure"])
def test_save_refuses_other_formats(tmp_path, name):
    with pytest.raises(ValueError, match=rf"end in \.png, \.svg, \.pdf, got '{name}'"):
        plotting.save(Figure(), tmp_path / name)


def test_no_pyplot():
    script = ("import sys; from minidl import plotting; plotting.learning_curves([{'loss': 1.0}]);"
              "print('matplotlib.pyplot' in sys.modules)")
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False"]
