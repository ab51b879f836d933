"""A trained model at work on images of any kind: `python -m minidl.predict cat.jpg`, or from a program

    from pathlib import Path
    from minidl.datasets.pets.decode import open_image
    from minidl.predict import open_model, segment

    model, size = open_model()
    classes = segment(model, open_image(Path("cat.jpg"), upright=True), size)
"""
from minidl.predict.inference import segment
from minidl.predict.model import open_model

__all__ = ["open_model", "segment"]
