#!/usr/bin/python3
"""Compares the neighbours that the demo got with numpy's exact answer.

Reads the demo's --dump-neighbours file (a line for each query: rows of the training set, nearest first) and recomputes
the cosine similarities in float64. A query passes when its rows are distinct and their similarities are those of the
exact nearest ones in the same order; rows that tie within float32 precision may stand in for each other.
"""
import argparse
import gzip
import sys

import numpy

TOLERANCE = 1e-6  # of a cosine similarity computed in float32


def images(directory, name, count):
    with gzip.open(f"{directory}/{name}") as file:
        pixels = numpy.frombuffer(file.read(16 + count * 784), numpy.uint8, offset=16)
    rows = pixels.reshape(-1, 784).astype(numpy.float64)
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--vectors", type=int, default=60000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    arguments = parser.parse_args()

    found = numpy.loadtxt(arguments.file, dtype=numpy.int64, ndmin=2)[: arguments.queries]
    train = images(arguments.data, "train-images-idx3-ubyte.gz", arguments.vectors)
    test = images(arguments.data, "t10k-images-idx3-ubyte.gz", len(found))
    similarity = test @ train.T
    exact = -numpy.sort(-similarity, axis=1)[:, : found.shape[1]]

    right = 0
    for query, rows in enumerate(found):
        if rows.min() < 0 or rows.max() >= len(train) or len(set(rows)) < len(rows):
            print(f"query {query}: not distinct rows of the training set: {rows}", file=sys.stderr)
        elif numpy.abs(similarity[query, rows] - exact[query]).max() > TOLERANCE:
            print(f"query {query}: {similarity[query, rows]} instead of {exact[query]}", file=sys.stderr)
        else:
            right += 1
    print(f"neighbours equal to numpy's exact ones{'':13}{right} of {len(found)} queries")
    return 0 if right == len(found) and right > 0 else 1


sys.exit(main())
