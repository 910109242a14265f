#!/usr/bin/python3
"""Enforces the table "Who may know whom" of docs/architecture.md over every #include of the source.

usage: includes.py ROOT
"""
import os
import re
import sys

import source

# Headers of other projects, by the beginning of their name. What is in none of these groups and is written in angle
# brackets belongs to the C or C++ library or the system.
FOREIGN = {
    "grpc": ("grpc/", "grpcpp/", "grpc++/"),
    "openssl": ("openssl/",),
    "jansson": ("jansson",),
    "protobuf-c": ("protobuf-c/", "google/protobuf"),
    "faiss": ("faiss/",),
    "zlib": ("zlib.h",),
    "isal": ("isa-l",),
    "hdf5": ("hdf5.h",),
    "nghttp2": ("nghttp2/",),
    "check": ("check.h",),
    "sanitizer": ("sanitizer/",),
}

# What the two transports share.
TRANSPORT = ("transport/transport.h", "transport/timer_heap.h")

# For each room, the most specific first: the rooms and foreign groups it may include, itself always.
# "pb-c" is code generated from a .proto file. A path names a single header of a room.
RULES = [
    ("include/vecmux", ["public"]),
    ("src/core", ["public", "openssl", "isal", "jansson", "sanitizer"]),
    ("src/wire", ["public", "core", "jansson", "protobuf-c", "pb-c"]),
    ("src/op", ["public", "core"]),
    ("src/stats", ["public", "core"]),
    ("src/transport/grpc", ["public", "core", "op", *TRANSPORT, "grpc", "openssl", "isal", "sanitizer"]),
    ("src/transport/fake", ["public", "core", "op", *TRANSPORT]),
    ("src/transport", ["public", "core", "op"]),
    ("src/rpc", ["public", "core", "op", "stats/meter.h", "transport/transport.h"]),
    ("src/engine", ["public", "core", "wire", "rpc/request.h", "protobuf-c", "pb-c"]),
    ("src/api", ["public", "core", "wire", "op", "rpc", "engine", "stats", "writer/writer.h", "writer/ledger.h",
                 "build/build.h", "transport/grpc/grpc_transport.h"]),
    ("src/writer", ["public", "core", "wire", "op", "rpc", "engine"]),
    ("src/source", ["public", "core"]),
    ("src/build", ["public", "core", "wire", "op", "rpc", "engine", "source", "transport/transport.h", "isal",
                   "protobuf-c", "pb-c"]),
    ("src/mock", ["public", "core", "nghttp2", "openssl"]),
    ("src/server", ["public", "core", "wire", "mock", "grpc", "protobuf-c", "pb-c", "isal", "jansson", "sanitizer"]),
    ("src/exporter", ["public"]),
    ("src/cli/load", ["public", "cli", "exporter", "jansson", "zlib", "hdf5"]),
    ("src/cli", ["public", "exporter", "jansson"]),
    ("bench/peers", ["public", "bench", "grpc", "openssl", "isal", "jansson", "zlib", "protobuf-c", "pb-c", "faiss"]),
    ("bench", ["public", "exporter", "jansson", "zlib"]),
    ("bindings", ["public"]),
    ("examples", ["public", "zlib"]),
]

# Tests look inside every room; only gRPC stays where the issue says it belongs.
TESTS_MAY_NOT = ("grpc", "faiss")

# Files that may more than their room: the decoder is measured without a network; a floor looks at values as vecmux does; what
# the transport knows of the core's slice buffers is held against the core's own functions, and what it does inside the core's
# queue is looked at there.
EXCEPTIONS = {"bench/peers/decode_alone.c": ("src/wire/reply_decoder.h",), "bench/peers/parts.c": ("src/engine/finite.h",),
              "tests/transport/test_grpc.c": ("grpc",), "tests/transport/test_in_queue.c": ("grpc",),
              "tests/server/test_stop.c": ("grpc",)}

# FAISS is behind one C++ file of the server.
ONLY_IN_CXX = {"src/server": "faiss"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def rule_of(path):
    for room, allowed in RULES:
        if path.startswith(room + "/"):
            return room, allowed
    return None, None


def group_of(root, path, bracket, name):
    """What an include belongs to: a foreign group, "public", "pb-c", "system", or a path below src/ or the file's
    directory, relative to the root."""
    if name.endswith(".pb-c.h"):
        return "pb-c"
    for group, prefixes in FOREIGN.items():
        if name.startswith(prefixes):
            return group
    if name.startswith("vecmux/"):
        return "public"
    if bracket == "<":
        return "system"
    beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
    if os.path.exists(os.path.join(root, beside)):
        return beside
    return "src/" + name


def allows(room, allowed, group):
    if group == "system" or group in allowed or group.startswith(room + "/"):
        return True
    if not group.startswith(("src/", "bench/")):
        return False
    inside = group[len("src/") :] if group.startswith("src/") else group
    return any(inside == entry or inside.startswith(entry + "/") for entry in allowed)


def faults_of(root, path, text):
    room, allowed = rule_of(path)
    for match in INCLUDE.finditer(text):
        group = group_of(root, path, match.group(1), match.group(2))
        line = text.count("\n", 0, match.start()) + 1
        if group in EXCEPTIONS.get(path, ()):
            wrong = False
        elif path.startswith("tests/"):
            wrong = group in TESTS_MAY_NOT
        elif ONLY_IN_CXX.get(room) == group and path.endswith(".cc"):
            wrong = False
        else:
            wrong = room is None or not allows(room, allowed, group)
        if wrong:
            yield f"{path}:{line}: {room or 'a file outside every room'} may not include {match.group(2)} ({group})"


def check(root):
    faults = []
    paths = source.tracked(root, (".c", ".h", ".cc"))
    for path in paths:
        faults.extend(faults_of(root, path, source.read(root, path)))
    return paths, faults


def main():
    paths, faults = check(sys.argv[1])
    print("\n".join(faults) or f"{len(paths)} files keep the rule")
    return 1 if faults or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
