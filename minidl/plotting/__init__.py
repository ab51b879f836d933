"""The lessons' figures: images and predictions, curves and scores."""
from minidl.plotting import backend  # noqa: F401  # before anything else imports matplotlib
from minidl.plotting.canvas import save
from minidl.plotting.charts import array_sheet, bar_chart, image_rows, line_chart
from minidl.plotting.diagram import diagram
from minidl.plotting.pictures import CLASS_COLORS, colorize, image_strip, overlay, prediction_grid, shown
from minidl.plotting.scores import class_bars, learning_curves, named_lines

__all__ = [
    "CLASS_COLORS", "array_sheet", "bar_chart", "class_bars", "colorize", "diagram", "image_rows", "image_strip",
    "learning_curves", "line_chart", "named_lines", "overlay", "prediction_grid", "save", "shown",
]
