"""Made-up images, boxes and pets."""
import numpy as np

from minidl.datasets.pets import Pets
from minidl.datasets.pets.reader import pet_box

SIZE = 40            # height and width of the images of `block_pets`


def noise(N=3, size=16, seed=0):
    """Return N images of noise, (N, 3, size, size) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (N, 3, size, size), dtype=np.uint8)


def random_boxes(rng, n, size=12, whole=False):
    """Return n boxes (n, 4) within size x size, sides of at least 0.1; `whole`: with integers as edges."""
    edges = rng.integers(1, size + 1, (n, 2, 2)) if whole else rng.uniform(0.1, size, (n, 2, 2))
    edges = np.sort(edges.astype(float), axis=1)                          # (n, 2, 2): upper left, lower right
    edges[:, 0] = np.minimum(edges[:, 0], edges[:, 1] - (1 if whole else 0.1))
    return edges.reshape(n, 4)


def block_pets(n=3, size=SIZE, border=False):
    """Return pets that are blocks of one color each, (200 + k, 0, 0), on a background without red."""
    rng = np.random.default_rng(0)
    images = np.zeros((n, 3, size, size), np.uint8)
    images[:, 1:] = rng.integers(0, 60, (n, 2, size, size))
    trimaps = np.ones((n, size, size), np.uint8)
    for k in range(n):
        y, x, h, w = 5 + k, 3 + k, 20 + 4 * k, 16 + 5 * k
        images[k, :, y:y + h, x:x + w] = np.array([200 + k, 0, 0])[:, None, None]
        trimaps[k, y:y + h, x:x + w] = 2 if border else 0
        trimaps[k, y + 1:y + h - 1, x + 1:x + w - 1] = 0
    boxes = np.stack([pet_box(trimap) for trimap in trimaps])
    species = np.arange(n) % 2
    return Pets([f"pet{k}" for k in range(n)], images, trimaps, species, species, boxes, np.full((n, 4), np.nan), [])
