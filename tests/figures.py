"""What the tests of figures share: the pixels, the texts, and the layout that every figure must have."""
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def render(figure, dpi=100):
    """The figure's pixels, (rows, columns, 3) uint8."""
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def all_axes(figure):
    """The figure's axes, and those within axes; figure.findobj would make the ticks of all of them first."""
    found = list(figure.axes)
    for axes in found:
        found.extend(axes.child_axes)
    return found


def texts(figure):
    """All texts that are drawn: free ones, those of legends and axes, and the labels of ticks within the axes."""
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in all_axes(figure):
        found += [child for child in axes.get_children() if isinstance(child, Text)]
        if axes.axison:
            found += [axes.xaxis.label, axes.yaxis.label]
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                found += [label for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high
                          for label in (tick.label1, tick.label2)]
    return [text for text in found if text.get_visible() and text.get_text()]


def words(figure):
    return [text.get_text() for text in texts(figure)]


def area(pixels, axes):
    """The pixels that axes cover; they must be whole ones."""
    rows, columns, _ = pixels.shape
    x0, y0, x1, y1 = axes.get_position().extents * [columns, rows, columns, rows]
    assert np.allclose([x0, y0, x1, y1], np.round([x0, y0, x1, y1]), rtol=0, atol=1e-3)
    return pixels[rows - round(y1):rows - round(y0), round(x0):round(x1)]


def check_layout(figure, dpi=100):
    """Check that texts neither overlap nor leave the figure nor lie on images (but those within the image's axes)."""
    rows, columns, _ = render(figure, dpi).shape
    boxes = [(text, Text.get_window_extent(text)) for text in texts(figure)]     # without the lines that lead to them
    images = [axes.get_window_extent() for axes in figure.axes if axes.images]
    assert boxes
    for k, (text, box) in enumerate(boxes):
        assert 0 <= box.x0 and box.x1 <= columns and 0 <= box.y0 and box.y1 <= rows, text
        within = text.axes is not None and text.axes.images
        for other in [*(b for _, b in boxes[:k]), *([] if within else images)]:
            apart = box.x1 <= other.x0 or other.x1 <= box.x0 or box.y1 <= other.y0 + 2 or other.y1 <= box.y0 + 2
            assert apart, (text, other)
