"""Read the handwritten digits of data/digits.csv.gz: images of 8 x 8 gray values, and which digit each shows.

A row of the file has 64 gray values from 0 (paper) to 16 (ink), row by row of the image, and the digit.

References
----------
E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
doi:10.24432/C50P49, CC BY 4.0: the 1,797 images of that set's test part, drawn by 13 people.
"""
import gzip
import os
import warnings
import zlib

import numpy as np

from minidl.types import Array

SIDE, INK, CLASSES = 8, 16, 10


def load_digits(path: str | os.PathLike[str]) -> tuple[Array, Array]:
    """Read the images and their labels.

    Parameters
    ----------
    path : path
        Of the gzip-compressed table described in this module.

    Returns
    -------
    images : float32 array of shape (N, 1, 8, 8)
        0 is paper, 1 is ink.
    labels : int64 array of shape (N,)
        0..9.

    Raises
    ------
    ValueError
        If it is not a gzip file, truncated or damaged, or holds anything but such rows (the line is named).
    """
    try:
        with gzip.open(path, "rt", encoding="ascii") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)                     # of an empty file
            table = np.loadtxt(file, delimiter=",", comments=None, ndmin=2)                            # (N, 65)
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        raise ValueError(f"{path}: expected a gzip file of numbers, but it is truncated, damaged or something else "
                         f"({type(error).__name__}: {error})") from error
    if table.shape[1] != SIDE * SIDE + 1 or not len(table):
        raise ValueError(f"{path}: expected rows of {SIDE * SIDE} gray values and a digit, got {len(table)} rows of "
                         f"{table.shape[1]} values")
    fits = (table >= 0) & (table <= [INK] * SIDE * SIDE + [CLASSES - 1]) & (table == table.round())    # not NaN, either
    wrong = np.argwhere(~fits)
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(f"{path}, line {row + 1}, value {column + 1}: expected gray values from 0 to {INK} and a "
                         f"digit from 0 to {CLASSES - 1}, got {table[row, column]:g}")
    images = table[:, :-1].reshape(-1, 1, SIDE, SIDE).astype(np.float32) / INK
    return images, table[:, -1].astype(np.int64)


def stratified_split(labels: Array, share: float = 0.2,
                     rng: np.random.Generator | int | None = 0) -> tuple[Array, Array]:
    """Divide samples into two parts at random, each class by itself, so that both parts have all classes.

    Parameters
    ----------
    labels : integer array (N,)
    share : float
        Of each class's samples, how much goes into the second part (rounded to whole samples).
    rng : numpy.random.Generator, seed or None
        The default is a fixed seed: all lessons then hold out the same samples, whatever their own seed is.

    Returns
    -------
    first, second : int64 arrays
        The samples' indices, in increasing order; together 0..N-1.

    Raises
    ------
    ValueError
        If the labels are not such an array, the share is not between 0 and 1, or a part would be empty.

    Examples
    --------
    >>> first, second = stratified_split(np.array([0, 0, 0, 0, 1, 1, 1, 1]), share=0.25)
    >>> len(first), len(second), int(np.sum(second < 4))
    (6, 2, 1)
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"stratified_split: expected integer labels of shape (N,), got {labels.dtype} {labels.shape}")
    if not 0 < share < 1:
        raise ValueError(f"stratified_split: expected a share between 0 and 1, got {share}")
    rng = np.random.default_rng(rng)
    in_second = np.zeros(len(labels), bool)
    for k in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == k))
        in_second[own[:round(share * len(own))]] = True
    first, second = np.flatnonzero(~in_second), np.flatnonzero(in_second)
    if not (first.size and second.size):
        raise ValueError(f"stratified_split: a share of {share} of each class divides {len(labels)} samples into "
                         f"{first.size} and {second.size}; expected at least one in each part")
    return first, second
