"""Read the irises of data/iris.csv: four lengths of each flower in centimeters, and its species.

References
----------
R. A. Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7 (1936) 179-188.
"""
import os

import numpy as np

from minidl.datasets.csv_table import number, read_table
from minidl.types import Array

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SPECIES = ("setosa", "versicolor", "virginica")


def load_iris(path: str | os.PathLike[str]) -> tuple[Array, Array]:
    """Read the flowers' measurements and species.

    Parameters
    ----------
    path : path
        Of a CSV file with the header sepal_length,sepal_width,petal_length,petal_width,species.

    Returns
    -------
    measurements : float32 array of shape (N, 4)
        In centimeters, in the order of FEATURES.
    labels : int64 array of shape (N,)
        Indices into SPECIES.

    Raises
    ------
    ValueError
        If a line is malformed, a length is not a number from 0.1 to 30, or a species is unknown (the line is named).
    """
    rows = read_table(path, (*FEATURES, "species"), _flower)
    return (np.array([lengths for lengths, _ in rows], np.float32), np.array([label for _, label in rows], np.int64))


def _flower(values: list[str]) -> tuple[list[float], int]:
    *lengths, species = values
    if species not in SPECIES:
        raise ValueError(f"species: expected one of {', '.join(SPECIES)}, got {species[:20]!r}")
    return [number(name, text, 0.1, 30) for name, text in zip(FEATURES, lengths)], SPECIES.index(species)
