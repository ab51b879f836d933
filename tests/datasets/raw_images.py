"""PNG and TIFF files written by their formats' own rules: also the kinds that Pillow reads and cannot write."""
import struct
import zlib

import numpy as np

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}                # by a PNG's color type
BITS, COMPRESSION, PHOTOMETRIC, EXTRA_SAMPLES, FORMAT = 258, 259, 262, 338, 339      # tags of a TIFF


def packed(samples, bits, order=">"):
    """Return samples (H, W, C) as the bytes of a row each, `bits` for a sample."""
    rows = samples.reshape(len(samples), -1)
    if bits == 16:
        return [row.astype(order + "u2").tobytes() for row in rows]
    return [np.packbits((row[:, None] >> np.arange(bits)[::-1] & 1).astype(np.uint8).ravel()).tobytes() for row in rows]


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(samples, bits, color, *chunks):
    """Return a PNG of samples (H, W, C); chunks come before the pixels."""
    H, W = samples.shape[:2]
    rows = b"".join(b"\0" + row for row in packed(samples, bits))
    return b"\x89PNG\r\n\x1a\n" + b"".join([
        chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, bits, color, 0, 0, 0)), *chunks,
        chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")])


def tiff(samples, bits, photometric, extra=None, order="<"):
    """Return an uncompressed TIFF of one strip, of samples (H, W, C)."""
    H, W, C = samples.shape
    data = b"".join(packed(samples, bits, order))
    fields = {256: [W], 257: [H], BITS: [bits] * C, COMPRESSION: [1], PHOTOMETRIC: [photometric], 273: [8], 277: [C],
              278: [H], 279: [len(data)], **({} if extra is None else {EXTRA_SAMPLES: [extra]})}
    data += bytes(len(data) % 2)
    directory, more = b"", b""
    end = 8 + len(data) + 2 + 12 * len(fields) + 4
    for tag, values in sorted(fields.items()):
        value = struct.pack(f"{order}{len(values)}I", *values)
        if len(value) > 4:
            value, more = struct.pack(order + "I", end + len(more)), more + value
        directory += struct.pack(order + "HHI", tag, 4, len(values)) + value
    return ((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(data)) + data
            + struct.pack(order + "H", len(fields)) + directory + bytes(4) + more)
