"""A small set of pets in two archives like those of Oxford-IIIT Pet, surprises included."""
import hashlib
import io
import tarfile

import numpy as np
from PIL import Image

from minidl.datasets.download.fetch import Archive
from tests.datasets.pet_folders import box_xml, encoded


def packed(files):
    """A .tar.gz of {name: bytes}; a name that ends with / is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name.rstrip("/"))
            member.size = len(content)
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def archive_of(name, content):
    return Archive(name, len(content), hashlib.sha256(content).hexdigest(), unpacked=10**6)


def pet_archives(broken=False):
    """Return two Archives (annotations, images) of nine pets, and their contents by name."""
    rng = np.random.default_rng(0)
    images = {"images/": b"", "images/stray.mat": b"MATLAB 5.0"}
    annotations = {"annotations/": b"", "annotations/._trimaps": b"\0\5\x16\7", "annotations/trimaps/": b""}
    lines = [f"pet_{i} {1 + i} {1 + i % 2} 1\n" for i in range(9)]
    for name, part in (("list", ["#Image CLASS-ID SPECIES BREED ID\n", *lines]), ("trainval", lines[:6]),
                       ("test", lines[6:])):
        annotations[f"annotations/{name}.txt"] = "".join(part).encode()
    trimap = np.full((120, 160), 2, np.uint8)
    trimap[30:90, 40:120], trimap[30:33, 40:120] = 1, 3
    for i in range(9):
        noise = Image.fromarray(rng.integers(0, 256, (120, 160, 3), np.uint8))
        images[f"images/pet_{i}.jpg"] = encoded(noise, "PNG" if i == 4 else "JPEG", quality=95)
        annotations[f"annotations/trimaps/pet_{i}.png"] = encoded(Image.fromarray(trimap), "PNG")
        annotations[f"annotations/trimaps/._pet_{i}.png"] = b"\0\5\x16\7 AppleDouble"
    annotations["annotations/xmls/pet_0.xml"] = box_xml(60, 40, 90, 60).encode()
    if broken:
        images["images/pet_0.jpg"] = b"?"
    files = {"annotations.tar.gz": packed(annotations), "images.tar.gz": packed(images)}
    return [archive_of(name, content) for name, content in files.items()], files
