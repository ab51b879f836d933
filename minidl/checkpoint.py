"""Arrays by name in one .npz file: written so that nothing is lost, read so that nothing is trusted."""
import math
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from minidl.files import replacing
from minidl.layers.base import Layer
from minidl.slabs import Array


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> Path:
    """Write {name: array} as .npz, first under a temporary name: an interrupted write leaves the old file whole."""
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            # As numpy.savez writes them; that would pickle objects, this refuses them.
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                npy.write_array(file, np.asanyarray(array), allow_pickle=False)
    return Path(path)


def load_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read what `save_arrays` wrote (or ``numpy.savez``).

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no .npz file, truncated or damaged, or contains Python objects (which could run code when unpickled).
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                _check_member(archive, info)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, KeyError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{path}: expected an .npz file of plain arrays, but it is damaged or something else "
                         f"({type(error).__name__}: {error})") from error


def _check_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Refuse an array that holds objects or whose header promises another size than its data have."""
    with archive.open(info) as file:
        major, _ = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if dtype.hasobject:
            raise ValueError(f"{info.filename} contains Python objects")
        if math.prod(shape) * dtype.itemsize + file.tell() != info.file_size:
            raise ValueError(f"{info.filename}: its header promises {shape} of {dtype}, which is not its size")


def save_weights(path: str | os.PathLike[str], model: Layer) -> Path:
    """Write a model's `state_dict` as .npz."""
    return save_arrays(path, model.state_dict())


def load_weights(path: str | os.PathLike[str], model: Layer) -> None:
    """Read weights that `save_weights` wrote, or those in a training's checkpoint, into the model.

    Raises
    ------
    OSError, ValueError
        As `load_arrays`; also ValueError if the weights are of another model (the names that do not fit are listed).
    """
    arrays = load_arrays(path)
    if any(name.startswith("model/") for name in arrays):
        arrays = {name[len("model/"):]: array for name, array in arrays.items() if name.startswith("model/")}
    try:
        model.load_state_dict(arrays)
    except ValueError as error:
        raise ValueError(f"{path}: these are the weights of another model. {error}") from error
