"""Folders of pets as tests need them."""
import io

from PIL import Image

RED, GREEN, BLUE = (200, 10, 30), (20, 180, 40), (10, 30, 220)


def halves(size, left, right, mode="RGB"):
    """An image whose left and right half have one color each."""
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2, 0, size[0], size[1]))
    return image


def add(folder, name, size=(24, 16), image=None, trimap=None, suffix=".jpg", **options):
    """Write an image (red and blue) and its trimap (object and background, left and right), or what is given."""
    if image is None:
        image = halves(size, RED, BLUE)
    elif not isinstance(image, bytes):
        size = image.size
    if trimap is None:
        trimap = halves(size, 1, 2, mode="L")
    for path, content, options in ((folder / "images" / (name + suffix), image, options),
                                   (folder / "annotations" / "trimaps" / (name + ".png"), trimap, {})):
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content.save(path, **options)


def write_list(folder, file, *lines):
    path = folder / "annotations" / file
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_xml(folder, name, text):
    path = folder / "annotations" / "xmls" / f"{name}.xml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))


def box_xml(xmin=6, ymin=4, xmax=18, ymax=8):
    return (f"<annotation><size><width>999</width></size><object><name>cat</name><bndbox><xmin>{xmin}</xmin>"
            f"<ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object></annotation>")


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
