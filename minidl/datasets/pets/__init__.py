"""Images of pets and their trimaps, read from a folder in the layout of the Oxford-IIIT Pet archives."""
from minidl.datasets.pets.reader import CLASSES, Pets, load_pets

__all__ = ["CLASSES", "Pets", "load_pets"]
