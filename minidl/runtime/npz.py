"""Arrays by name in one .npz file: written so that nothing is lost, read so that nothing is trusted."""
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from minidl.runtime.files import replacing, unreadable
from minidl.types import Array

EXPANDED_BYTES = 2**30    # how much larger than its file the arrays of a compressed .npz may be


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> Path:
    """Write {name: array} as .npz, first under a temporary name: an interrupted write leaves the old file whole."""
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            # As numpy.savez writes them; that would pickle objects, this refuses them.
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                npy.write_array(file, np.asanyarray(array), allow_pickle=False)
    return Path(path)


def load_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read what `save_arrays` wrote (or ``numpy.savez``, or ``numpy.savez_compressed``).

    Raises
    ------
    OSError
        If the file cannot be read, or is a folder or pipe.
    ValueError
        If it is truncated, damaged or not an .npz file.
    ValueError
        If it contains Python objects, which could run code when unpickled.
    ValueError
        If it would expand to more than `EXPANDED_BYTES` above its size on the disk.
    """
    path = Path(path)
    if path.exists() and (problem := unreadable(path)):
        raise OSError(f"{path}: expected an .npz file; it is {problem}")
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(info.file_size for info in members) > path.stat().st_size + EXPANDED_BYTES:
                raise ValueError("it would expand to more than is sensible for a file of its size")
            for info in members:
                name = info.filename.removesuffix(".npy")
                if name in arrays:
                    raise ValueError(f"{info.filename} is there twice")
                _check_member(archive, info)
                with archive.open(info) as file:
                    arrays[name] = npy.read_array(file, allow_pickle=False)
    except Exception as error:  # parsers of zip files and of headers, fed with damaged bytes, raise nearly anything
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise ValueError(f"{path}: expected an .npz file of plain arrays, but it is damaged or something else "
                         f"({type(error).__name__}: {error})") from error
    return arrays


def _check_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Raise a ValueError if an array holds objects, or its header promises another size than its data have."""
    with archive.open(info) as file:
        major, _ = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if dtype.hasobject:
            raise ValueError(f"{info.filename} contains Python objects")
        if math.prod(shape) * dtype.itemsize + file.tell() != info.file_size:
            raise ValueError(f"{info.filename}: its header promises {shape} of {dtype}, which is not its size")
