#!/usr/bin/env python3
"""Cuts the Fashion-MNIST subset of this folder out of the full files.

    cut.py /usr/share/datasets/fashion-mnist OUT

OUT gets the first 400 training and the first 100 test images of each of the ten classes, in the order
of the full files, as gzipped IDX. Cutting again gives the same bytes wherever zlib compresses alike: the
gzip headers carry no time, name or system. Only Python's standard library is used.
"""

import gzip
import pathlib
import struct
import sys
import zlib

CLASSES = 10
PARTS = [("train", "train", 400), ("test", "t10k", 100)]


def read(path, dimensions):
    """The sizes and the bytes of an IDX file."""
    content = gzip.decompress(path.read_bytes())
    magic, *sizes = struct.unpack_from(f">{1 + dimensions}I", content)
    assert magic == 0x0800 + dimensions, f"{path} is not an IDX file of {dimensions} dimensions"
    return sizes, content[4 * (1 + dimensions):]


def write(path, sizes, content):
    """Writes an IDX file, gzipped."""
    header = struct.pack(f">{1 + len(sizes)}I", 0x0800 + len(sizes), *sizes)
    path.write_bytes(gzipped(header + content))


def gzipped(content):
    """A gzip file whose header says nothing: Python's own differs between its versions."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    header = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 255])
    footer = struct.pack("<II", zlib.crc32(content), len(content))
    return header + deflate.compress(content) + deflate.flush() + footer


def first_of_each_class(labels, count):
    """Places of the first `count` images of each class, in their order."""
    taken = [0] * CLASSES
    places = []
    for place, label in enumerate(labels):
        if taken[label] < count:
            taken[label] += 1
            places.append(place)
    assert taken == [count] * CLASSES, f"classes hold {taken}"
    return places


def main(source, out):
    out.mkdir(parents=True, exist_ok=True)
    for name, original, count in PARTS:
        (images, height, width), pixels = read(source / f"{original}-images-idx3-ubyte.gz", 3)
        (labelled,), labels = read(source / f"{original}-labels-idx1-ubyte.gz", 1)
        assert images == labelled and len(pixels) == images * height * width
        size = height * width
        places = first_of_each_class(labels, count)
        cut = b"".join(pixels[place * size:(place + 1) * size] for place in places)
        write(out / f"{name}-images-idx3-ubyte.gz", [len(places), height, width], cut)
        write(out / f"{name}-labels-idx1-ubyte.gz", [len(places)], bytes(labels[p] for p in places))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
