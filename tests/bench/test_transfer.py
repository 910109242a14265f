#!/usr/bin/python3
"""Uploads of made-up vectors into a repository that discards them: what arrives is all of it, and the client stays small.

usage: test_transfer.py Quick Downloads | Whole
Whole is 10 GB; its memory is looked at from outside all the time.
"""
import json
import os
import subprocess
import tempfile
import threading
import time
import unittest

import grpc

from build_proto import repository
from vecmuxd import SLOW, Vecmuxd

MIB = 1 << 20
LIMIT = 32 * MIB
RSS_ANON_LIMIT_KB = 64 << 10
EMPTY_CLIENT = 16 * MIB  # gRPC, libraries, threads, and what the C library keeps for the next: 5 to 9 MiB are seen
SANITIZED = bool(os.environ.get("VMX_SANITIZE"))
LIMIT_S = 100 * SLOW


def memory_folder():
    """Where a file costs no disk; None: the usual place."""
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


def anonymous_kb(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("RssAnon:")), 0)
    except OSError:
        return 0


def watch(process, found):
    while process.poll() is None:
        found.append(anonymous_kb(process.pid))
        time.sleep(0.005)


class Transfers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Vecmuxd("--discard-blobs")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop()[0] == 0

    def received(self):
        """Bytes of chunks that the server has seen."""
        with grpc.insecure_channel(self.server.target) as channel:
            describe = channel.unary_unary(
                "/vecmux.repository.v1.VectorRepository/DescribeRepository",
                request_serializer=repository.DescribeRepositoryRequest.SerializeToString,
                response_deserializer=repository.RepositoryDescription.FromString)
            return describe(repository.DescribeRepositoryRequest(), timeout=10 * SLOW, wait_for_ready=True).received_bytes

    def run_program(self, program, *arguments, scenario="upload", server=None):
        """Its rows, and the largest RssAnon in KiB."""
        process = subprocess.Popen([*os.environ.get("VMX_EMULATOR", "").split(), os.environ[program], scenario, "--json",
                                    "--endpoint", (server or self.server).target, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        samples = []
        watcher = threading.Thread(target=watch, args=(process, samples))
        watcher.start()
        try:
            out, err = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
            watcher.join()
        self.assertEqual((process.returncode, err), (0, ""), out)
        return json.loads(out)["rows"], max(samples)

    def upload(self, size, *arguments):
        return self.run_program("VMX_BENCH", "--bytes", size, "--set", f"memory.limit.bytes={LIMIT}", *arguments)

    def check_small(self, size, vectors, *arguments):
        before = self.received()
        rows, anonymous = self.upload(size, *arguments)
        memory = rows[0]["memory"]
        came = self.received() - before
        print(f"{size} {' '.join(arguments)}: {rows[0]['payload_mb_per_s']:.0f} MB/s, RssAnon {anonymous} KiB at most, {memory}")
        self.assertEqual(came, vectors * 768 * 4)
        self.assertLessEqual(memory["peak_bytes"], LIMIT)
        self.assertGreater(memory["peak_bytes"], 2 * MIB)
        self.assertEqual(memory["end_bytes"], 0)
        if not SANITIZED:
            self.assertLess(anonymous, RSS_ANON_LIMIT_KB)


class Quick(Transfers):
    def test_memory_stays_small(self):
        self.check_small("300m", 300 * MIB // 3072)
        self.check_small("300m", 300 * MIB // 3072, "--driven")

    def test_every_source_gives_the_same_vectors(self):
        sums = set()
        for arguments in (["--source", "reader"], ["--source", "iterator"]):
            sums.add(self.upload("20m", "--parts", "7", *arguments)[0][0]["checksum"])
        self.assertEqual(len(sums), 1)
        self.assertEqual(self.upload("20m", "--source", "memory", "--parts", "7")[0][0]["errors"], 0)

    def test_deleted_documents_are_left_out_by_whoever_walks_too(self):
        arguments = ("--deleted", "40", "--dimension", "64", "--parts", "3,40")
        ours, walking = (self.upload("20m", *arguments, "--source", source)[0] for source in ("reader", "walking"))
        self.assertEqual([row["parts"] for row in ours], [3, 40])
        self.assertEqual([row["checksum"] for row in ours], [row["checksum"] for row in walking])
        self.assertEqual(len({row["checksum"] for row in ours}), 1)
        plain = self.upload("20m", "--dimension", "64")[0][0]["checksum"]
        self.assertAlmostEqual(ours[0]["checksum"] / plain, 1 / 0.6, delta=0.02)  # of every 10 documents 6 are taken

    def test_the_floor_sends_as_much(self):
        for digest in ("crc32c", "sha256"):
            before = self.received()
            rows, _ = self.run_program("VMX_RAW_STREAM", "--bytes", "20m", "--parts", "1,9", "--digest", digest)
            self.assertEqual([row["operations"] for row in rows], [20, 20])
            self.assertEqual(self.received() - before, 2 * (20 * MIB // 3072 * 3072))
            self.assertEqual(self.upload("20m", "--digest", digest)[0][0]["operations"], 20)


class Downloads(Transfers):
    def test_what_is_downloaded_is_what_was_built(self):
        """In both forms, and by the floor: the same file."""
        with Vecmuxd() as server, tempfile.TemporaryDirectory(prefix="vecmux-bench-test-") as directory:
            files = []
            for program, arguments in (("VMX_BENCH", []), ("VMX_BENCH", ["--graph-only", "--driven"]), ("VMX_RAW_STREAM", [])):
                path = os.path.join(directory, "index")
                rows, _ = self.run_program(program, "--bytes", "4m", "--dimension", "1024", "--seconds", "0.2", "--warm-up", "0", "--out",
                                           path, *arguments, scenario="download", server=server)
                self.assertGreater(rows[0]["operations"], 0)
                with open(path, "rb") as file:
                    files.append(file.read())
            self.assertGreater(len(files[0]), 4 * MIB)
            self.assertEqual(len(set(files)), 1)

    def check_account(self, size, *levels):
        """What a download takes is what the account says, and what any client of gRPC's has from its start."""
        with Vecmuxd() as server, tempfile.TemporaryDirectory(prefix="vecmux-bench-test-", dir=memory_folder()) as directory:
            for limit, streams in levels:
                rows, anonymous = self.run_program(
                    "VMX_BENCH", "--bytes", size, "--seconds", "0.5", "--warm-up", "0", "--in-flight", str(streams), "--set",
                    f"memory.limit.bytes={limit}", "--out", os.path.join(directory, "index"), scenario="download", server=server)
                account = rows[0]["memory"]["peak_bytes"]
                print(f"{size}, {streams} streams, {limit}: {rows[0]['payload_mb_per_s']:.0f} MB/s, RssAnon {anonymous} KiB at most, "
                      f"account {account >> 10} KiB")
                self.assertLessEqual(account, limit)
                if not SANITIZED:
                    self.assertLess(anonymous << 10, account + EMPTY_CLIENT)

    def test_memory_is_what_the_account_says(self):
        self.check_account("48m", (8 * MIB, 4), (64 * MIB, 4), (64 * MIB, 8))


class Whole(Transfers):
    @unittest.skipIf(SLOW > 10, "an emulator would take hours")
    def test_a_large_download_takes_what_the_account_says(self):
        Downloads.check_account(self, "256m", *((limit * MIB, streams) for limit in (8, 16, 64) for streams in (1, 2, 4, 8)))

    @unittest.skipIf(SLOW > 10, "an emulator would take hours")
    def test_ten_gigabytes_in_little_memory(self):
        size = 10 << 30 if SLOW == 1 else 1 << 30
        self.check_small(str(size), size // 3072)


if __name__ == "__main__":
    unittest.main()
