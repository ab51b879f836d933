"""The lessons' figures: images and predictions, curves and scores."""
from minidl.plotting.canvas import save
from minidl.plotting.charts import class_bars, learning_curves, named_lines
from minidl.plotting.grids import image_strip, prediction_grid
from minidl.plotting.images import CLASS_COLORS, colorize, overlay, shown

__all__ = [
    "CLASS_COLORS", "class_bars", "colorize", "image_strip", "learning_curves", "named_lines", "overlay",
    "prediction_grid", "save", "shown",
]
