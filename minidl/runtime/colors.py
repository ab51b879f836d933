"""Colors of classes and of lines, apart from `minidl.plotting`: to write masks, nobody need load matplotlib."""

# Told apart by lightness as well as by hue: medium orange, dark blue-gray, pale yellow.
CLASS_COLORS = ("#E8862E", "#4A6378", "#FFF3B8")

# Lines and bars of several models (after Okabe and Ito, safe for color-blind readers).
LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#B5588F", "#8A6D00", "#3D9BD1", "#5A5A5A")
