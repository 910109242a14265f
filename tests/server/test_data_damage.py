"""vecmuxd --data: logs that are cut short, damaged or forged, and disks that are full."""
import os
import re
import resource
import shutil
import signal
import struct as packing
import subprocess
import tempfile
import unittest
import unittest.mock

import grpc

from data_case import (CREATE, DELETE, DIMENSION, FILE_HEADER, FRAME_HEADER, LSN, RECORD_HEADER, UPDATE, UPSERT,
                       DataCase, file_header, frame, frames, record, state)
from pinecone_proto import Client, messages
from server_case import struct, vector


def upsert(*vectors, namespace=""):
    return messages.UpsertRequest(vectors=vectors, namespace=namespace).SerializeToString()


def written(*records):
    """A log with each record in a frame of its own."""
    data = file_header()
    for kind, body in records:
        data += frame(len(data), 1, record(kind, body))
    return data


class Tails(DataCase):
    def setUp(self):
        super().setUp()
        with self.server() as server, Client(server.target) as client:
            client.Upsert(vectors=[vector("a", [1, 2])])
            client.Upsert(vectors=[vector("b", [2, 1])])
            self.whole = state(server.target)
            client.Delete(ids=["a"])
        self.content = self.read()
        self.offset, _, self.length = frames(self.log)[-1]

    def starts_without_the_last(self, data):
        self.write(data)
        with self.server() as server:
            dropped = re.search(r"dropped the last (\d+) bytes, from offset (\d+)", server.log())
            found = state(server.target)
        self.assertEqual(found, self.whole)
        self.assertEqual(self.size(), self.offset)
        return tuple(int(number) for number in dropped.groups()) if dropped else None

    def test_cut_at_every_byte_of_the_last_record(self):
        for length in range(self.length):
            with self.subTest(length=length):
                dropped = self.starts_without_the_last(self.content[:self.offset + length])
                self.assertEqual(dropped, (length, self.offset) if length else None)

    def test_flipped_bits_in_the_last_record(self):
        for at in (0, 5, 9, 17, 21, FRAME_HEADER - 1, FRAME_HEADER, FRAME_HEADER + 5, self.length - 1):
            with self.subTest(at=at):
                data = bytearray(self.content)
                data[self.offset + at] ^= 0x10
                self.assertEqual(self.starts_without_the_last(bytes(data)), (self.length, self.offset))

    def test_zeros_at_the_end(self):
        self.assertEqual(self.starts_without_the_last(self.content[:self.offset] + bytes(5000)), (5000, self.offset))

    def test_writes_go_on_behind_the_cut(self):
        self.write(self.content[:-1])
        with self.server() as server, Client(server.target) as client:
            client.Upsert(vectors=[vector("c", [3, 1])])
            before = state(server.target)
        with self.server() as server:
            self.assertEqual(state(server.target), before)
            self.assertNotIn("dropped", server.log())


class Damage(DataCase):
    def setUp(self):
        super().setUp()
        self.write(written((DIMENSION, packing.pack("<I", 2)), *((UPSERT, upsert(vector(f"v{i}", [i + 1, 2])))
                                                                   for i in range(5))))
        self.content = self.read()

    def test_our_own_log_is_read(self):
        with self.server() as server, Client(server.target) as client:
            self.assertEqual(client.DescribeIndexStats().total_vector_count, 5)
            self.assertEqual(list(client.Fetch(ids=["v4"]).vectors["v4"].values), [5, 2])

    def test_a_flipped_bit_in_the_middle(self):
        offset, _, length = frames(self.log)[2]
        for at in (0, 1, 4, 8, 16, 20, 24, FRAME_HEADER, FRAME_HEADER + 4, length - 1):
            with self.subTest(at=at):
                data = bytearray(self.content)
                data[offset + at] ^= 0x01
                self.write(data)
                text = self.refuses(self.log, f"offset {offset}:", f"truncate -s {offset} {self.log}")
                self.assertEqual(text.count("\n"), 1, text)
                self.assertEqual(self.read(), data, "a log that is refused is left as it is")

    def test_the_remedy(self):
        offset = frames(self.log)[2][0]
        data = bytearray(self.content)
        data[offset] ^= 0x01
        self.write(data)
        text = self.refuses()
        subprocess.run(text[text.index("truncate -s"):].split(), check=True)
        with self.server() as server, Client(server.target) as client:
            self.assertEqual(client.DescribeIndexStats().total_vector_count, 1)

    def test_a_hole(self):
        offset, _, length = frames(self.log)[3]
        self.write(self.content[:offset] + bytes(length) + self.content[offset + length:])
        self.refuses(f"offset {offset}:", f"follow from offset {offset + length}")
        self.write(self.content[:offset] + self.content[offset + length:])
        with self.server() as server:  # what follows is not where it says: no write of this log
            self.assertIn(f"from offset {offset} on", server.log())

    def test_the_header(self):
        for data, *says in ((b"", "not a log of vecmuxd"),
                            (b"vecmuxd\n", "not a log of vecmuxd"),
                            (b"#!/bin/sh\n" * 10, "not a log of vecmuxd"),
                            (b"vecmuxd\n" + bytes(24), "offset 0", "checksum"),
                            (file_header(version=2), "version 2", "version 1"),
                            (file_header(metric=3), "metric 3"),
                            (file_header(metric=0, sparse=1), "vector type 1")):
            with self.subTest(says=says):
                self.write(data)
                self.refuses(self.log, *says)
                self.assertEqual(self.read(), data)

    def test_forged_records(self):
        first = FILE_HEADER + FRAME_HEADER
        flat = upsert(vector("a", [1, 2]))
        for payload, count, *says in (
                (record(99, b""), 1, f"offset {first}:", "kind 99"),
                (record(UPSERT, b"\xff\xff\xff"), 1, f"offset {first}:", "malformed"),
                (record(UPSERT, upsert()), 1, "No vectors"),
                (record(UPSERT, upsert(vector("a", [1, 2]), vector("b", [1, 2, 3]))), 1, "dimension"),
                (record(UPSERT, flat) + record(UPSERT, upsert(vector("b", [1]))), 2, "dimension",
                 f"offset {first + RECORD_HEADER + len(flat)}:"),
                (record(UPSERT, upsert(vector("a", [float("nan"), 2]))), 1, f"offset {first}:"),
                (record(UPSERT, upsert(vector("a", [1], sparse={1: 1}))), 1, f"offset {first}:"),
                (record(DELETE, b""), 1, "Delete needs"),
                (record(UPDATE, b""), 1, f"offset {first}:"),
                (record(CREATE, b"\x0a\x02\xc3\x28"), 1, "malformed"),
                (record(DIMENSION, b"\0\0\0\0"), 1, "dimension 0"),
                (record(DIMENSION, b"\xff\xff\xff\xff"), 1, "dimension 4294967295"),
                (record(DIMENSION, b""), 1, "dimension 0"),
                (record(LSN, b"\1\0\0"), 1, "LSN"),
                (record(UPSERT, flat)[:-1], 1, "cut short"),
                (record(UPSERT, flat), 2, "cut short"),
                (record(UPSERT, flat) + b"xx", 1, "2 bytes behind"),
                (b"\1\0\0\0\xff\xff\xff\xff", 1, "cut short")):
            with self.subTest(says=says):
                self.write(file_header() + frame(FILE_HEADER, count, payload))
                self.refuses(self.log, *says)

    def test_logged_writes_without_effect_are_none(self):
        big = messages.UpdateRequest(id="a", set_metadata=struct({"b": "x" * 30000}))
        self.write(written((DELETE, messages.DeleteRequest(ids=["a"], namespace="never").SerializeToString()),
                           (UPSERT, upsert(vector("a", [1, 2], {"a": "x" * 30000}))),
                           (UPDATE, big.SerializeToString()),
                           (CREATE, messages.CreateNamespaceRequest(name="__default__").SerializeToString())))
        with self.server() as server, Client(server.target) as client:
            self.assertEqual(list(client.Fetch(ids=["a"]).vectors["a"].metadata), ["a"])


class Full(DataCase):
    """What is not logged is not there; what is answered is."""

    def big(self, name):
        return [vector(f"{name}{i}", [float(i + 1)] * 200) for i in range(200)]

    def refuses_writes(self, client):
        for invoke in (lambda: client.Upsert(vectors=self.big("big")),
                       lambda: client.Upsert(namespace="new", vectors=self.big("big"))):
            self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, invoke, self.log, "space")

    def check(self, server, fill, free):
        """`fill` leaves room for a small write, but none for a big one."""
        with Client(server.target) as client:
            client.Upsert(vectors=self.big("first"))
            fill()
            before, size = state(server.target), self.size()
            self.refuses_writes(client)
            self.assertEqual(self.size(), size)
            self.assertEqual(state(server.target), before)
            client.Delete(ids=["first3"])
            self.assertGreater(self.size(), size)
            self.refuses_writes(client)
            self.assertIn("writes are refused", server.log())
            free()
            client.Upsert(vectors=self.big("second"))
            self.assertIn("taken again", server.log())
            after = state(server.target)
            self.assertEqual(after[1]["__default__"][1], 3)
        server.stop(signal.SIGKILL)
        with self.server() as server:
            self.assertEqual(state(server.target), after)
            self.assertNotIn("dropped", server.log())

    def limit(self, server, size):
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def test_a_file_size_limit(self):
        server = self.server()
        self.check(server, lambda: self.limit(server, self.size() + 50000),
                   lambda: self.limit(server, resource.RLIM_INFINITY))

    def test_the_dimension_is_not_fixed_by_what_was_refused(self):
        with self.server() as server, Client(server.target) as client:
            self.limit(server, self.size() + 10)
            self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: client.Upsert(vectors=[vector("a", [1, 2])]),
                         self.log)
            self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: client.CreateNamespace(name="new"), self.log)
            self.assertEqual(self.size(), FILE_HEADER)
            self.limit(server, resource.RLIM_INFINITY)
            client.Upsert(vectors=[vector("a", [1, 2, 3])])
            self.assertEqual(client.DescribeIndexStats().dimension, 3)
            self.assertEqual(len(client.ListNamespaces().namespaces), 1)

    def test_a_compaction_that_does_not_fit(self):
        with self.server("--index-delay-ms", "1") as server, Client(server.target) as client:  # it does not compact
            for number in range(18):
                client.Upsert(vectors=[vector(f"id{i}", [number + 1.0] * 1000) for i in range(240)])
        content = self.read()
        self.assertGreater(len(content), 16 << 20)
        limited = "prlimit --fsize=500000 " + os.environ.get("VMX_EMULATOR", "")
        with unittest.mock.patch.dict(os.environ, {"VMX_EMULATOR": limited}):
            server = self.server()
        with server, Client(server.target) as client:
            self.assertIn("not compacted", server.log())
            self.assertEqual(client.Fetch(ids=["id7"]).vectors["id7"].values[0], 18)
            self.assertEqual(os.listdir(self.data).count("writes.log.new"), 0)
        self.assertEqual(self.read(), content)

    def test_a_small_disk(self):
        disk = tempfile.mkdtemp(prefix="vecmuxd-disk-")
        self.addCleanup(shutil.rmtree, disk, True)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk], capture_output=True,
                                 text=True, check=False)
        if mounted.returncode != 0:
            self.skipTest(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", disk], check=False)
        self.data, filler = os.path.join(disk, "data"), os.path.join(disk, "filler")
        self.log = os.path.join(self.data, "writes.log")

        def fill():
            room = os.statvfs(disk)
            with open(filler, "wb") as file:
                file.write(bytes(room.f_bavail * room.f_bsize - 60000))

        self.check(self.server("--data-sync"), fill, lambda: os.remove(filler))


if __name__ == "__main__":
    unittest.main()
