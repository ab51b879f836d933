"""A trained model at work on pictures of any kind: `python -m minidl.predict cat.jpg`, or from a program

    from minidl.datasets.decode import open_picture
    from minidl.predict import open_model, segment

    model, size = open_model()
    classes = segment(model, open_picture("cat.jpg", upright=True), size)

* `architecture`: which model a file of weights belongs to
* `inference`: from a picture of any size to a class for each pixel
* `places`: which files are pictures, and where their results go
* `results`: masks, overlays, the table
"""
from minidl.predict.architecture import open_model
from minidl.predict.inference import segment, segment_all

__all__ = ["open_model", "segment", "segment_all"]
