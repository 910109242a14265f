#!/usr/bin/python3
"""Writes the seeds of the fuzz targets, small good files. usage: seeds.py DIRECTORY (tests/fuzz/corpus)"""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "load"))
import formats  # noqa: E402

LINES = [
    {"id": "a", "values": [1, 2.5]},
    {"id": "b", "sparse": {"indices": [1, 4294967295], "values": [0.5, 1e-30]}, "metadata": {"g": ["x"], "n": None}},
    {"text": '{"id":"c","values":[1]}', "error": {"code": "VMX_ERR_REJECTED", "outcome": "rejected", "message": "m"}},
    {"id": "d", "values": [1], "error": "sick"},
    {"id": 7},
    ["no record"],
]


def field(number, content):
    """A protobuf field: bytes with their length, or an int as a varint."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value):
    head = b""
    while value >= 0x80:
        head, value = head + bytes([value & 0x7F | 0x80]), value >> 7
    return head + bytes([value])


def replies():
    """Seeds of the reply decoder by name; the first byte says which reply it is, and where and how it lies."""
    floats = np.arange(40, dtype="<f4").tobytes()
    number, text = b"\x11" + bytes(6) + b"\xf0?", field(3, "\u00e9\u65e5".encode())
    inner = field(1, field(1, b"k") + field(2, field(4, 1)))
    values = [number, text, field(1, 0), field(4, 1), field(5, inner), field(6, field(1, number) + field(1, text))]
    metadata = b"".join(field(1, field(1, b"key%d" % i) + field(2, value)) for i, value in enumerate(values))
    sparse = field(1, varint(3) + varint(300) + varint(2**32 - 1)) + field(2, floats[:12])
    match = field(1, b"id") + b"\x15\0\0\x80?" + field(3, floats) + field(4, metadata) + field(5, sparse)
    vector = field(1, b"id") + field(2, floats) + field(3, metadata) + field(4, sparse)
    pieces = field(3, floats[:8]) + b"\x1d" + floats[4:8] + field(3, b"") + b"\x1d" + floats[8:12]
    usage, entry = field(1, 5) + field(2, 300000), field(1, b"id") + field(2, vector)
    query = field(2, match) + field(2, pieces) + field(3, b"shoes") + field(4, usage)
    fetch = field(1, entry) + field(1, entry) + field(2, b"shoes") + field(3, usage)
    yield "query", bytes([0x80]) + query
    yield "query-where-it-lies", bytes([6]) + query
    yield "results", bytes([0]) + field(1, field(1, match) + field(2, b"n")) + query
    yield "fetch", bytes([0x81 + 3]) + fetch
    yield "fetch-by-metadata", bytes([2]) + fetch + field(4, field(1, b"token"))
    yield "unknown-fields", bytes([0]) + field(2, match + field(99, b"x") + field(98, 7)) + field(100, b"y")


def faiss_files():
    """Files of FAISS by name: each kind of a remote build, and without its vectors."""
    import faiss
    vectors, ids = np.arange(1, 13, dtype="f4").reshape(4, 3), np.array([40, 10, 30, 20])
    graphs = {
        "l2": faiss.IndexHNSWFlat(3, 2, faiss.METRIC_L2),
        "innerproduct": faiss.IndexHNSWFlat(3, 2, faiss.METRIC_INNER_PRODUCT),
        "half": faiss.IndexHNSWSQ(3, faiss.ScalarQuantizer.QT_fp16, 2),
    }
    for name, graph in graphs.items():
        index = faiss.IndexIDMap(graph)
        index.train(vectors)
        index.add_with_ids(vectors, ids)
        whole = faiss.serialize_index(index).tobytes()
        storage = faiss.serialize_index(faiss.downcast_index(graph.storage)).tobytes()
        yield name, whole
        yield name + "-graph-only", whole.replace(storage, b"null")


def main():
    directory = sys.argv[1]
    array = np.arange(1, 7, dtype="f4").reshape(2, 3)

    def path(form, name):
        os.makedirs(os.path.join(directory, form), exist_ok=True)
        return os.path.join(directory, form, name)

    for dtype in ("f2", "f4", "f8", ">f4", "i1", "u2", ">i8"):
        with open(path("npy", dtype.replace(">", "be-")), "wb") as file:
            np.save(file, array.astype(dtype))
    with open(path("npy", "f4"), "rb") as file:
        formats.write_gzip(path("npy", "gzip"), file.read())
    for form, dtype in (("fvecs", "f4"), ("bvecs", "u1"), ("ivecs", "i4")):
        formats.write_vecs(path(form, "two"), array.astype(dtype))
    for form, dtype in (("fbin", "f4"), ("u8bin", "u1"), ("i8bin", "i1")):
        formats.write_bin(path(form, "two"), array.astype(dtype))
    for dtype in formats.IDX_TYPES:
        formats.write_bytes(path("idx", dtype), formats.idx_bytes(array.astype(dtype)))
    formats.write_gzip(path("idx", "gzip"), formats.idx_bytes(array.astype("uint8").reshape(2, 1, 3)))
    # plans for hdf5_image.c: library version, what "train" is, axes, type, storage and chunk, lengths, values
    values = bytes(range(64))
    formats.write_bytes(path("hdf5", "plain"), bytes([0, 3, 2, 0, 0, 1, 1, 4, 3]) + values)
    formats.write_bytes(path("hdf5", "chunks"), bytes([1, 3, 2, 5, 3, 2, 1, 4, 3]) + values)
    formats.write_bytes(path("hdf5", "cube"), bytes([0, 4, 3, 8, 2, 1, 1, 1, 5, 2, 2]) + values)
    formats.write_bytes(path("hdf5", "soft-link"), bytes([0, 0, 2, 3, 1, 1, 1, 4, 3]) + values)
    formats.write_bytes(path("hdf5", "external-link"), bytes([0, 1]))
    formats.write_bytes(path("hdf5", "group"), bytes([0, 2]))
    formats.write_bytes(path("hdf5", "text"), bytes([0, 3, 2, 10, 0, 1, 1, 4, 3]) + values)
    formats.write_lines(path("jsonl", "records"), LINES)
    with open(path("jsonl", "records"), "rb") as file:
        formats.write_gzip(path("jsonl", "gzip"), file.read())
    formats.write_bytes(path("jsonl", "line-break-in-name"), b'{"id":"a","values":[1],"two\\nlines":1}\n')
    formats.write_bytes(path("jsonl", "blanks"), b'\n \r\n{"id":"x","values":[1]}\r\n\n{"id":')
    for name, reply in replies():
        formats.write_bytes(path("reply", name), reply)
    for name, step in (("up", 1), ("down", 255), ("steps", 37), ("zeros", 0)):
        formats.write_bytes(path("request", name), bytes(i * step % 256 for i in range(600)))
    for name, file in faiss_files():
        formats.write_bytes(path("faiss", name), file)


main()
