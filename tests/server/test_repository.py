"""Blobs: uploads in parts that resume, digests, names, quota, ranges."""
import concurrent.futures
import contextlib
import os
import random
import signal
import tempfile
import threading
import unittest

import grpc

from blob_case import CRC32C, SHA256, blob_digest, crc32c, digest, parts_of, read, upload, write
from server_case import ServerCase
from vecmux_proto import Client, repository
from vecmuxd import SLOW, Vecmuxd

Code = grpc.StatusCode
PART = 16384


def some_bytes(count, seed=1):
    return random.Random(seed).randbytes(count)


class Repository(ServerCase):
    arguments = ("--quota", "400k", "--threads", "4")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.blobs = Client(cls.server.target)

    @classmethod
    def tearDownClass(cls):
        cls.blobs.close()
        super().tearDownClass()

    def begin(self, name, total, **fields):
        return self.blobs.BeginUpload(name=name, total_bytes=total, part_bytes=PART, **fields).upload.upload_id

    def test_what_was_uploaded_can_be_read(self):
        data = some_bytes(3 * PART + 777)
        for algorithm in (CRC32C, SHA256):
            name = f"read/{algorithm}"
            blob = upload(self.blobs, name, data, PART, algorithm)
            self.assertEqual(blob, self.blobs.StatBlob(name=name))
            self.assertEqual(blob.forms[0].total_bytes, len(data))
            self.assertEqual(blob.forms[0].digest, blob_digest(algorithm, data, PART))
            self.assertEqual(list(blob.forms[0].part_digests), [digest(algorithm, part) for part in parts_of(data, PART)])
            self.assertEqual(read(self.blobs, name), data)
            for offset, length in ((0, 1), (PART - 1, 2), (5000, 40000), (len(data), 0), (len(data) - 1, 1)):
                self.assertEqual(read(self.blobs, name, offset=offset, length=length, chunk_bytes=4096),
                                 data[offset:offset + length] if length else data[offset:])
            self.assertTrue(self.blobs.DeleteBlob(name=name).existed)
            self.assertFalse(self.blobs.DeleteBlob(name=name).existed)
            self.refused(Code.NOT_FOUND, lambda name=name: read(self.blobs, name), name)

    def test_ranges_that_are_none(self):
        upload(self.blobs, "range", b"x" * 100, PART)
        self.refused(Code.OUT_OF_RANGE, lambda: read(self.blobs, "range", offset=90, length=11), "100")
        self.refused(Code.OUT_OF_RANGE, lambda: read(self.blobs, "range", offset=101))
        self.refused(Code.FAILED_PRECONDITION, lambda: read(self.blobs, "range", repository.FORM_GRAPH_ONLY), "graph")
        self.refused(Code.FAILED_PRECONDITION, lambda: read(self.blobs, "range", if_digest=b"1234"), "if_digest")
        self.invalid(lambda: read(self.blobs, "range", chunk_bytes=5), "chunk_bytes 5")

    def test_a_part_goes_on_where_it_broke(self):
        data = some_bytes(PART + 5000, seed=2)
        upload_id = self.begin("broken", len(data), digest=SHA256, upload_key="k")
        reply = self.blobs.WritePart(write(upload_id, 0, data[:8000], chunk_bytes=1000))
        self.assertEqual((reply.part.confirmed_bytes, reply.part.complete), (8000, False))
        self.assertEqual(reply.part.digest, digest(SHA256, data[:8000]))
        again = self.blobs.BeginUpload(name="broken", total_bytes=len(data), part_bytes=PART, digest=SHA256,
                                       upload_key="k")
        self.assertTrue(again.resumed)
        self.assertEqual(again.upload, self.blobs.GetUpload(upload_id=upload_id))
        self.assertEqual([part.confirmed_bytes for part in again.upload.parts], [8000])
        self.refused(Code.OUT_OF_RANGE, lambda: self.blobs.WritePart(write(upload_id, 0, data[:PART], offset=9000)),
                     "8000 bytes are confirmed")
        self.refused(Code.FAILED_PRECONDITION,
                     lambda: self.blobs.CompleteUpload(upload_id=upload_id, digest=b""), "part 0", "8000")
        first, second = parts_of(data, PART)
        self.blobs.WritePart(write(upload_id, 0, first, offset=8000, end=digest(SHA256, first)))
        self.blobs.WritePart(write(upload_id, 1, b"wrong"))
        self.blobs.WritePart(write(upload_id, 1, second, end=digest(SHA256, second)))
        self.refused(Code.DATA_LOSS, lambda: self.blobs.CompleteUpload(upload_id=upload_id, digest=b"x" * 32))
        blob = self.blobs.CompleteUpload(upload_id=upload_id, digest=blob_digest(SHA256, data, PART))
        self.assertEqual(blob, self.blobs.CompleteUpload(upload_id=upload_id, digest=b"a repetition"))
        self.assertEqual(read(self.blobs, "broken"), data)
        known = self.blobs.BeginUpload(name="broken", total_bytes=len(data), upload_key="k")
        self.assertEqual((known.blob, known.HasField("upload")), (blob, False))
        self.refused(Code.ALREADY_EXISTS, lambda: self.begin("broken", 5, upload_key="another"), "broken")
        self.blobs.DeleteBlob(name="broken")

    def test_the_same_begun_many_times_at_once_is_one_upload(self):
        def begin(key, client):
            return client.BeginUpload(name="once", total_bytes=PART, part_bytes=PART, upload_key=key).upload.upload_id

        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(self.server.target)) for _ in range(8)]
            pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(8))
            for key in "abcdefgh":
                ids = set(pool.map(begin, [key] * 8, clients))
                self.assertEqual(len(ids), 1)
                self.assertTrue(self.blobs.AbortUpload(upload_id=ids.pop()).existed)

    def test_digests_that_differ(self):
        data = some_bytes(PART, seed=3)
        upload_id = self.begin("differs", PART)

        def flipped():
            messages = list(write(upload_id, 0, data, chunk_bytes=4096))
            bad = bytearray(messages[3].chunk.data)
            bad[7] ^= 1
            messages[3].chunk.data = bytes(bad)
            return iter(messages)
        self.refused(Code.DATA_LOSS, lambda: self.blobs.WritePart(flipped()), "part 0", "8192")
        self.assertEqual(self.blobs.GetUpload(upload_id=upload_id).parts[0].confirmed_bytes, 8192)
        self.refused(Code.DATA_LOSS, lambda: self.blobs.WritePart(write(upload_id, 0, data, end=b"\0\0\0\1")), "part 0")
        self.assertEqual(len(self.blobs.GetUpload(upload_id=upload_id).parts), 0)
        self.blobs.WritePart(write(upload_id, 0, data, end=digest(CRC32C, data)))
        self.assertTrue(self.blobs.AbortUpload(upload_id=upload_id).existed)
        self.assertFalse(self.blobs.AbortUpload(upload_id=upload_id).existed)
        self.refused(Code.NOT_FOUND, lambda: self.blobs.GetUpload(upload_id=upload_id))

    def test_streams_that_are_wrong(self):
        upload_id = self.begin("wrong", 100)
        chunk = repository.WritePartRequest(chunk=dict(data=b"x" * 101))
        header = repository.WritePartRequest(header=dict(upload_id=upload_id))
        self.invalid(lambda: self.blobs.WritePart(iter([chunk])), "header")
        self.invalid(lambda: self.blobs.WritePart(iter([header, header])), "another header")
        self.invalid(lambda: self.blobs.WritePart(iter([header, repository.WritePartRequest()])), "empty")
        self.refused(Code.OUT_OF_RANGE, lambda: self.blobs.WritePart(iter([header, chunk])), "101", "100")
        self.refused(Code.OUT_OF_RANGE, lambda: self.blobs.WritePart(write(upload_id, 1, b"x")), "part 1")
        self.refused(Code.OUT_OF_RANGE, lambda: self.blobs.WritePart(write(upload_id, 0, b"x", end=b"1234")), "1 bytes")
        self.refused(Code.NOT_FOUND, lambda: self.blobs.WritePart(write("0" * 32, 0, b"x")), "0" * 32)
        self.blobs.AbortUpload(upload_id=upload_id)

    def test_a_newer_stream_takes_the_part_over(self):
        data = some_bytes(PART, seed=4)
        upload_id = self.begin("newer", PART)

        def interrupted():
            yield from write(upload_id, 0, data[:4096])
            while not self.blobs.GetUpload(upload_id=upload_id).parts:
                pass
            self.blobs.WritePart(write(upload_id, 0, data, offset=4096, end=digest(CRC32C, data)))
            yield repository.WritePartRequest(chunk=dict(data=data[4096:]))
        self.refused(Code.ABORTED, lambda: self.blobs.WritePart(interrupted()), "newer")
        self.blobs.CompleteUpload(upload_id=upload_id, digest=blob_digest(CRC32C, data, PART))
        self.assertEqual(read(self.blobs, "newer"), data)
        self.blobs.DeleteBlob(name="newer")

    def test_a_length_that_is_not_known_before(self):
        data = some_bytes(2 * PART + 1, seed=5)
        upload_id = self.blobs.BeginUpload(name="unknown", part_bytes=PART).upload.upload_id
        for number, part in enumerate(parts_of(data, PART)):
            self.blobs.WritePart(write(upload_id, number, part, end=digest(CRC32C, part)))
        whole = blob_digest(CRC32C, data, PART)
        self.invalid(lambda: self.blobs.CompleteUpload(upload_id=upload_id, digest=whole), "part_count")
        for count in (10001, 2**32 - 1):
            self.invalid(lambda: self.blobs.CompleteUpload(upload_id=upload_id, digest=whole, part_count=count),
                         f"part_count {count}")
        self.refused(Code.FAILED_PRECONDITION,
                     lambda: self.blobs.CompleteUpload(upload_id=upload_id, digest=whole, part_count=4), "part 2")
        self.blobs.CompleteUpload(upload_id=upload_id, digest=whole, part_count=3)
        self.assertEqual(read(self.blobs, "unknown"), data)
        upload(self.blobs, "unknown", b"shorter", PART, replace=True)
        self.assertEqual(read(self.blobs, "unknown"), b"shorter")
        self.blobs.DeleteBlob(name="unknown")

    def test_names_that_would_leave_the_repository(self):
        for name in ("", "/", "/etc/passwd", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "a\nb", "a" * 256, "b/" * 300 + "b",
                     "\x7f"):
            self.invalid(lambda name=name: self.begin(name, 10), "name")
            self.invalid(lambda name=name: self.blobs.StatBlob(name=name), "name")
            self.invalid(lambda name=name: self.blobs.DeleteBlob(name=name), "name")
        self.invalid(lambda: self.begin("nul\0byte", 10))
        self.refused(Code.NOT_FOUND, lambda: self.blobs.GetUpload(upload_id="../../etc"))

    def test_the_quota(self):
        used = self.blobs.DescribeRepository().used_bytes
        upload_id = self.begin("large", 300 << 10)
        self.refused(Code.RESOURCE_EXHAUSTED, lambda: self.begin("too-large", 200 << 10), "quota", str(400 << 10))
        self.assertEqual(self.blobs.DescribeRepository().used_bytes, used + (300 << 10))
        self.blobs.AbortUpload(upload_id=upload_id)
        self.assertEqual(self.blobs.DescribeRepository().used_bytes, used)
        unknown = self.blobs.BeginUpload(name="grows", part_bytes=1 << 20).upload.upload_id
        self.refused(Code.RESOURCE_EXHAUSTED,
                     lambda: self.blobs.WritePart(write(unknown, 0, bytes(500 << 10), checked=False)), "quota")
        self.assertGreater(self.blobs.GetUpload(upload_id=unknown).parts[0].confirmed_bytes, 0)
        self.blobs.AbortUpload(upload_id=unknown)
        self.assertEqual(self.blobs.DescribeRepository().used_bytes, used)

    def test_a_blob_is_read_while_others_take_its_place(self):
        blobs = [some_bytes(2 * PART, seed=seed) for seed in (31, 32)]
        upload(self.blobs, "replaced", blobs[0], PART)
        read_once, done = threading.Event(), threading.Event()
        others = []

        def read_on():
            with Client(self.server.target) as client:
                while not done.is_set():
                    try:
                        others.extend([b"other data"] if read(client, "replaced") not in blobs else [])
                    except grpc.RpcError as error:
                        others.append(error.details())
                    read_once.set()
        reader = threading.Thread(target=read_on)
        reader.start()
        read_once.wait(30 * SLOW)
        for i in range(40):
            upload(self.blobs, "replaced", blobs[i % 2], PART, replace=True)
        done.set()
        reader.join()
        self.blobs.DeleteBlob(name="replaced")
        self.assertEqual(others, [])

    def test_lists(self):
        names = ["list/b", "list/a", "list/c", "listed"]
        for name in names:
            upload(self.blobs, name, b"12345", PART)
        page = self.blobs.ListBlobs(prefix="list/", page_size=2)
        self.assertEqual([blob.name for blob in page.blobs], ["list/a", "list/b"])
        self.assertEqual(len(page.blobs[0].forms[0].part_digests), 0)
        page = self.blobs.ListBlobs(prefix="list/", page_size=2, page_token=page.next_page_token)
        self.assertEqual(([blob.name for blob in page.blobs], page.next_page_token), (["list/c"], ""))
        for name in names:
            self.blobs.DeleteBlob(name=name)


class Kept(unittest.TestCase):
    """--data: what a restart, or a kill, leaves."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="vecmuxd-blobs-")
        self.addCleanup(directory.cleanup)
        self.data = directory.name

    def run_server(self, work):
        server = Vecmuxd("--data", self.data)
        with Client(server.target) as client:
            result = work(client)
        server.stop(signal.SIGKILL)
        return result

    def test_confirmed_bytes_and_blobs_outlive_a_kill(self):
        data = some_bytes(2 * PART, seed=6)

        def first(client):
            upload(client, "kept", data, PART)
            upload_id = client.BeginUpload(name="half", total_bytes=len(data), part_bytes=PART, digest=SHA256,
                                           upload_key="k").upload.upload_id
            client.WritePart(write(upload_id, 0, data[:PART], end=digest(SHA256, data[:PART])))
            client.WritePart(write(upload_id, 1, data[PART:PART + 999]))
            return client.GetUpload(upload_id=upload_id)
        before = self.run_server(first)

        def second(client):
            self.assertEqual(read(client, "kept"), data)
            begun = client.BeginUpload(name="half", total_bytes=len(data), part_bytes=PART, digest=SHA256, upload_key="k")
            self.assertEqual((begun.resumed, begun.upload), (True, before))
            client.WritePart(write(before.upload_id, 1, data[PART:], offset=999, end=digest(SHA256, data[PART:])))
            client.CompleteUpload(upload_id=before.upload_id, digest=blob_digest(SHA256, data, PART))
            return client.DescribeRepository()
        described = self.run_server(second)
        self.assertEqual((described.used_bytes, described.upload_count, described.durable), (2 * len(data), 0, True))
        self.run_server(lambda client: self.assertEqual(read(client, "half"), data))

    def test_confirmed_bytes_that_changed_are_not_believed(self):
        data = some_bytes(PART, seed=7)

        def first(client):
            upload_id = client.BeginUpload(name="half", total_bytes=len(data), part_bytes=PART).upload.upload_id
            client.WritePart(write(upload_id, 0, data[:9000]))
            return upload_id
        upload_id = self.run_server(first)
        self.flip(os.path.join(self.data, "repository", "uploads", upload_id, "data"), 4321)
        self.run_server(lambda client: self.assertEqual(len(client.GetUpload(upload_id=upload_id).parts), 0))

    def test_an_upload_that_cannot_be_read_is_left_where_it_is(self):
        upload_id = self.run_server(lambda client: client.BeginUpload(name="half", total_bytes=PART).upload.upload_id)
        folder = os.path.join(self.data, "repository", "uploads", upload_id)
        self.flip(os.path.join(folder, "upload"), 20)
        self.run_server(lambda client: self.assertEqual(client.DescribeRepository().upload_count, 0))
        self.assertEqual(sorted(os.listdir(folder)), ["data", "parts", "upload"])

    def test_a_blob_that_cannot_be_read_is_in_nobodys_way(self):
        data = some_bytes(PART, seed=9)
        self.run_server(lambda client: upload(client, "lost", data, PART))
        folder = os.path.join(self.data, "repository", "blobs")
        self.flip(os.path.join(folder, os.listdir(folder)[0], "blob"), 20)
        self.run_server(lambda client: upload(client, "lost", data[::-1], PART))
        self.run_server(lambda client: self.assertEqual(read(client, "lost"), data[::-1]))
        self.assertEqual(len(os.listdir(folder)), 1)

    def test_a_flipped_bit_is_found_and_the_part_named(self):
        data = some_bytes(4 * PART, seed=8)
        self.run_server(lambda client: upload(client, "flipped", data, PART))
        folder = os.path.join(self.data, "repository", "blobs")
        self.flip(os.path.join(folder, os.listdir(folder)[0], "data"), 2 * PART + 5)

        def check(client):
            self.assertEqual(read(client, "flipped", length=2 * PART), data[:2 * PART])
            for offset in (2 * PART, 3 * PART - 1):
                with self.assertRaises(grpc.RpcError) as caught:
                    read(client, "flipped", offset=offset, length=1)
                self.assertEqual(caught.exception.code(), Code.DATA_LOSS)
                self.assertIn('"flipped", part 2', caught.exception.details())
        self.run_server(check)

    def flip(self, path, at):
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 4]))


class Discarded(unittest.TestCase):
    def test_it_counts_and_digests(self):
        data = some_bytes(PART + 10, seed=9)
        with Vecmuxd("--discard-blobs") as server, Client(server.target) as client:
            blob = upload(client, "gone", data, PART, CRC32C)
            self.assertEqual(blob.forms[0].digest, blob_digest(CRC32C, data, PART))
            described = client.DescribeRepository()
            self.assertEqual((described.discards, described.received_bytes), (True, len(data)))
            with self.assertRaises(grpc.RpcError) as caught:
                read(client, "gone")
            self.assertEqual(caught.exception.code(), Code.FAILED_PRECONDITION)


class BehindTheMock(unittest.TestCase):
    def test_streams_are_served_there_too(self):
        data = some_bytes(3 * PART, seed=10)
        with Vecmuxd("--fault", "Query:unavailable:100%") as server, Client(server.target) as client:
            upload(client, "mock", data, PART)
            self.assertEqual(read(client, "mock", chunk_bytes=4096), data)


if __name__ == "__main__":
    assert crc32c(b"123456789") == 0xE3069283
    unittest.main()
