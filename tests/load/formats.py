"""Files of every format that `vecmux load` reads, made from one numpy array."""
import gzip
import json
import os
import struct

import h5py
import numpy as np

IDX_TYPES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def vecs_bytes(array):
    return b"".join(struct.pack("<i", len(row)) + row.tobytes() for row in array)


def bin_bytes(array):
    return struct.pack("<II", *array.shape) + array.tobytes()


def write_vecs(path, array):
    write_bytes(path, vecs_bytes(array))


def write_bin(path, array):
    write_bytes(path, bin_bytes(array))


def idx_bytes(array):
    header = bytes([0, 0, IDX_TYPES[array.dtype.name], array.ndim])
    return header + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_gzip(path, data):
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        file.write(data)


def write_bytes(path, data):
    with open(path, "wb") as file:
        file.write(data)


def write_hdf5(path, array, name="train", **options):
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=array, **options)


def write_lines(path, values):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(value) + "\n" for value in values)


def records(array):
    return [{"id": str(i), "values": [float(value) for value in row]} for i, row in enumerate(array)]


def all_formats(directory, array):
    """Writes `array` (float32, values that every type can say) in every format; (path, options) of each."""
    path = lambda name: os.path.join(directory, name)  # noqa: E731
    for dtype in "float16 float32 float64 int8 uint8 int16 uint16 int32 uint32 int64 uint64 >f4 >i2".split():
        name = path(f"{dtype.replace('>', 'be-')}.npy")
        np.save(name, array.astype(dtype))
        yield name
    np.save(path("3d.npy"), array.reshape(len(array), 2, -1))
    yield path("3d.npy")
    for name, dtype in (("a.fvecs", "float32"), ("a.bvecs", "uint8"), ("a.ivecs", "int32")):
        write_vecs(path(name), array.astype(dtype))
        yield path(name)
    for name, dtype in (("a.fbin", "float32"), ("a.u8bin", "uint8"), ("a.i8bin", "int8")):
        write_bin(path(name), array.astype(dtype))
        yield path(name)
    for dtype in IDX_TYPES:
        write_bytes(path(f"{dtype}-idx2-ubyte"), idx_bytes(array.astype(dtype)))
        yield path(f"{dtype}-idx2-ubyte")
    write_gzip(path("packed-idx3-ubyte.gz"), idx_bytes(array.astype("uint8").reshape(len(array), 2, -1)))
    yield path("packed-idx3-ubyte.gz")
    with open(path("float32.npy"), "rb") as file:
        write_gzip(path("packed.npy.gz"), file.read())
    yield path("packed.npy.gz")
    for name, options in (("plain", {}), ("chunks", {"chunks": (3, 5), "compression": "gzip", "shuffle": True})):
        for dtype in ("float16", "float32", "float64", "uint8", ">i4"):
            file = path(f"{name}-{dtype.replace('>', 'be-')}.hdf5")
            write_hdf5(file, array.astype(dtype), **options)
            yield file
    write_lines(path("a.jsonl"), records(array))
    yield path("a.jsonl")
    with open(path("a.jsonl"), "rb") as file:
        write_gzip(path("a.ndjson.gz"), file.read())
    yield path("a.ndjson.gz")
