#!/usr/bin/python3
"""Writes the seeds of the fuzz targets, small good files. usage: seeds.py DIRECTORY (tests/fuzz/corpus)"""
import gzip
import io
import json
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


def parts():
    """Messages of blobs by name: WritePartRequest, and behind a byte ReadRangeResponse."""
    data, crc = field(1, bytes(range(200))), b"\x15\x01\x02\x03\x04"
    yield "chunk", field(2, data + crc)
    yield "chunk-crc-first", field(2, crc + data)
    yield "chunk-alone", field(2, data)
    yield "end", field(3, field(1, bytes(4)))
    yield "header", field(1, field(1, b"id") + field(2, 7) + field(3, 300))
    yield "range", b"\x06" + field(1, 300000) + field(2, bytes(range(200)))
    yield "range-from-0", b"\x1f" + field(2, bytes(range(200)))


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


def matrices(array):
    """Seeds of the readers of arrays: target, name, the format's place in the target's list, the file."""
    for dtype in ("f2", "f4", "f8", ">f4", "i1", "u2", ">i8"):
        file = io.BytesIO()
        np.save(file, array.astype(dtype))
        yield "npy", dtype.replace(">", "be-"), 0, file.getvalue()
    for place, (name, dtype) in enumerate((("fvecs", "f4"), ("bvecs", "u1"), ("ivecs", "i4"))):
        yield "vecs", name, place, formats.vecs_bytes(array.astype(dtype))
    for place, (name, dtype) in enumerate((("fbin", "f4"), ("u8bin", "u1"), ("i8bin", "i1"))):
        yield "bin", name, place, formats.bin_bytes(array.astype(dtype))
    for dtype in formats.IDX_TYPES:
        yield "idx", dtype, 0, formats.idx_bytes(array.astype(dtype))
    yield "idx", "cube", 0, formats.idx_bytes(array.astype("uint8").reshape(2, 1, 3))


def lines():
    """Seeds of the reader of JSON lines."""
    yield "jsonl", "records", 0, "".join(json.dumps(line) + "\n" for line in LINES).encode()
    yield "jsonl", "line-break-in-name", 0, b'{"id":"a","values":[1],"two\\nlines":1}\n'
    yield "jsonl", "blanks", 0, b'\n \r\n{"id":"x","values":[1]}\r\n\n{"id":'


def plans():
    """Plans for hdf5_image.c: library version, what "train" is, axes, type, storage and chunk, lengths, values."""
    values = bytes(range(64))
    yield "plain", bytes([0, 3, 2, 0, 0, 1, 1, 4, 3]) + values
    yield "chunks", bytes([1, 3, 2, 5, 3, 2, 1, 4, 3]) + values
    yield "cube", bytes([0, 4, 3, 8, 2, 1, 1, 1, 5, 2, 2]) + values
    yield "soft-link", bytes([0, 0, 2, 3, 1, 1, 1, 4, 3]) + values
    yield "external-link", bytes([0, 1])
    yield "group", bytes([0, 2])
    yield "text", bytes([0, 3, 2, 10, 0, 1, 1, 4, 3]) + values


def seeds():
    """Target, name and content; a reader's first byte is twice the format's place, and 1 more to pack the rest."""
    for target, name, place, file in [*matrices(np.arange(1, 7, dtype="f4").reshape(2, 3)), *lines()]:
        yield target, name, bytes([2 * place]) + file
        yield target, name + "-packed", bytes([2 * place + 1]) + file
        yield target, name + "-gzip", bytes([2 * place]) + gzip.compress(file, mtime=0)
    for name, plan in plans():
        yield "hdf5", name, plan
    for name, reply in replies():
        yield "reply", name, reply
    for name, step in (("up", 1), ("down", 255), ("steps", 37), ("zeros", 0)):
        yield "request", name, bytes(i * step % 256 for i in range(600))
    for name, message in parts():
        yield "part", name, message
    for name, file in faiss_files():
        yield "faiss", name, file


def main():
    for target, name, content in seeds():
        os.makedirs(os.path.join(sys.argv[1], target), exist_ok=True)
        formats.write_bytes(os.path.join(sys.argv[1], target, name), content)


main()
