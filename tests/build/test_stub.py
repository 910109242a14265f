"""Remote builds by `vecmux build` against a stub server that shares no code with ours, with faults in every phase.

usage: test_stub.py VECMUX [case...]
"""
import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import time
import unittest
import zlib

import faiss
import grpc
import numpy as np

from build_case import SLOW, BuildCase
from build_proto import repository
from stub_server import StubServer


def refuse(code, text="because of the test"):
    return lambda context: context.abort(code, text)


def break_after(chunks):
    """The stream ends with UNAVAILABLE when it has carried so many chunks."""
    def begin(context):
        seen = [0]

        def take(data, where):
            seen[0] += 1
            if seen[0] > chunks:
                where.abort(grpc.StatusCode.UNAVAILABLE, "broken by the test")
            return data
        return take
    return begin


def flip(context):
    """The first chunk has one bit wrong."""
    seen = [0]

    def take(data, where):
        seen[0] += 1
        return bytes([data[0] ^ 1]) + data[1:] if seen[0] == 1 else data
    return take


class Whole(BuildCase):
    def test_full_and_graph_only_are_the_same_file(self):
        with StubServer() as server:
            job, figures = self.build(server.address)
            self.assertEqual(job["state"], "completed")
            self.assertEqual(figures["uploaded_bytes"], self.vectors.nbytes + self.ids.nbytes)
            self.assertEqual(server.received_bytes, figures["uploaded_bytes"])
            self.assertEqual(figures["result_bytes"], len(self.read()))
            _, graph = self.build(server.address, "--graph-only", out="graph.faiss")
            self.assertTrue(graph["graph_only"])
            self.assertLess(graph["downloaded_bytes"], figures["downloaded_bytes"] - self.vectors.nbytes)
            self.assertEqual(self.read("graph.faiss"), self.read())
            self.assertEqual(server.blobs, {})
            self.assertEqual(self.names(), ["graph.faiss", "out.faiss"])
        self.check_search()

    def test_half_precision_and_cosine(self):
        with StubServer() as server:
            for arguments, size in ((["--type", "float16"], 2), (["--space", "cosine"], 4),
                                    (["--type", "float16", "--space", "cosine"], 2)):
                with self.subTest(arguments):
                    _, figures = self.build(server.address, *arguments)
                    self.assertEqual(figures["uploaded_bytes"], self.vectors.size * size + self.ids.nbytes)
                    _, graph = self.build(server.address, *arguments, "--graph-only", out="graph.faiss")
                    self.assertTrue(graph["graph_only"])
                    self.assertEqual(self.read("graph.faiss"), self.read())
        unit = self.vectors / np.linalg.norm(self.vectors, axis=1, keepdims=True)
        self.check_search(vectors=unit, metric=faiss.METRIC_INNER_PRODUCT)

    def test_footer_is_lucenes(self):
        forms = ((), ("--graph-only",))
        streams = ("1", "4")  # whichever stream reads the last part, the footer's memory is its own
        with StubServer() as server:
            for form, count in itertools.product(forms, streams):
                with self.subTest(form=form, streams=count):
                    self.build(server.address, *form, "--footer", "lucene", sets=["build.download.parts=" + count])
                    data = self.read()
                    self.assertEqual(data[-16:-8], bytes.fromhex("c02893e800000000"))
                    self.assertEqual(struct.unpack(">Q", data[-8:])[0], zlib.crc32(data[:-8]))

    def test_sha256_and_a_map(self):
        with StubServer() as server:
            self.build(server.address, "--map", sets=["build.digest=sha256"])
        self.check_search()

    def test_without_threads_of_its_own(self):
        with StubServer() as server:
            self.build(server.address, sets=["io.threads=0", "worker.threads=0"])
        self.check_search()


    def test_what_is_counted(self):
        def figures(server, *arguments):
            process = self.start(server.address, "--quiet", "--stats", "json", "--index", "shoes", *arguments)
            _, said = process.communicate(timeout=50 * SLOW)
            found = json.loads(said[said.index("{") :])
            return {(name, *sample["labels"].values()): sample.get("value")
                    for name, samples in found.items() for sample in samples}

        with StubServer() as server:
            counted = figures(server)
            self.assertEqual(counted["vecmux_builds_total", "shoes", "success"], 1)
            self.assertEqual(counted["vecmux_builds_bytes_total", "shoes", "sent"], self.vectors.nbytes + self.ids.nbytes)
            self.assertEqual(counted["vecmux_build_uploads_total", "success"], 2)
            server.faults["WritePart"] = [refuse(grpc.StatusCode.PERMISSION_DENIED)] * 9
            counted = figures(server)
            self.assertEqual(counted["vecmux_builds_total", "shoes", "fallback"], 1)
            self.assertEqual(counted["vecmux_build_uploads_total", "failure"], 1)


class Faults(BuildCase):
    def test_a_broken_part_goes_on_from_what_is_confirmed(self):
        with StubServer() as server:
            server.faults["WritePart"] = [break_after(5), break_after(3), break_after(0)]
            _, figures = self.build(server.address)
            self.assertGreaterEqual(figures["retries"], 2)
            # one or two chunks of each broken stream were on their way
            self.assertLess(server.received_bytes, self.vectors.nbytes + self.ids.nbytes + 3 * 3 * 8192)
        self.check_search()

    def test_a_flipped_bit_in_an_upload_is_found_and_repaired(self):
        with StubServer() as server:
            server.faults["WritePart"] = [flip, flip]
            _, figures = self.build(server.address)
            self.assertGreaterEqual(figures["retries"], 2)
        self.check_search()

    def test_a_broken_range_goes_on(self):
        with StubServer() as server:
            server.faults["ReadRange"] = [break_after(3), break_after(0), break_after(2)]
            self.build(server.address)
        self.check_search()

    def test_a_flipped_bit_in_a_download_is_found_and_repaired(self):
        with StubServer() as server:
            server.faults["ReadRange"] = [flip, flip]
            self.build(server.address, "--graph-only")
        self.check_search()

    def test_a_bit_that_stays_flipped_names_the_part_and_leaves_no_file(self):
        with StubServer() as server:
            server.faults["ReadRange"] = [flip] * 200
            said = self.build(server.address, code=1)
            self.assertRegex(said, r"build \(download\): .*part \d+ of .*wrong crc32c digest.*build it locally")
        self.assertEqual(self.names(), [])

    def test_waiting_survives_broken_streams_and_bad_answers(self):
        with StubServer(build_s=0.5) as server:
            gone = refuse(grpc.StatusCode.UNAVAILABLE)
            server.faults["WatchBuild"] = [gone, gone, gone]
            server.faults["GetBuild"] = [gone, refuse(grpc.StatusCode.INTERNAL)]
            self.build(server.address)
            self.assertGreaterEqual(server.calls["GetBuild"], 3)
        self.check_search()

    def test_a_build_that_failed_for_a_moment_is_submitted_again(self):
        with StubServer() as server:
            server.faults["TriggerBuild"] = [lambda context: ("no room now", True)]
            job, _ = self.build(server.address)
            self.assertEqual(job["attempt"], 2)
            self.assertEqual(server.calls["BeginUpload"], 2)
        self.check_search()

    def test_so_is_one_whose_failure_was_asked_for(self):
        with StubServer() as server:
            server.faults["WatchBuild"] = [refuse(grpc.StatusCode.UNAVAILABLE)]
            server.faults["TriggerBuild"] = [lambda context: ("no room now", True)]
            job, _ = self.build(server.address)
            self.assertEqual(job["attempt"], 2)
        self.check_search()

    def test_a_graph_that_is_not_sound_never_gets_the_name(self):
        def write(at, new):
            return lambda graph: graph[:at] + new + graph[at + len(new) :]

        def levels_at(graph):
            at = 74 + 8 + 8 * struct.unpack_from("<Q", graph, 74)[0]
            return at + 8 + 4 * struct.unpack_from("<Q", graph, at)[0]

        huge = struct.pack("<Q", 2**64 - 1)
        cases = (
            (lambda graph: graph[:-1], "storage block is not the one"),
            (lambda graph: graph + b"x", "storage block is not the one"),
            (write(37, b"IHc2"), "no IndexIDMap over IndexHNSW"),
            (write(0, b"IxMx"), "no IndexIDMap over IndexHNSW"),
            (write(45, huge), "no sound counts"),
            (write(74, huge), "assign_probas are longer than the file"),
            (lambda graph: write(levels_at(graph), huge)(graph), "not one level for each vector"),
            (lambda graph: graph.replace(b"null", b"nuLL"), 'no "null" at byte'),
        )
        for spoil, why in cases:
            with self.subTest(why), StubServer() as server, open(self.path("out.faiss"), "w", encoding="ascii") as old:
                old.write("old")
                old.flush()
                server.spoil = spoil
                said = self.build(server.address, "--graph-only", code=1)
                self.assertRegex(said, r"build \((await|download)\): .*" + why + ".*build it locally")
                self.assertEqual((self.read(), self.names()), (b"old", ["out.faiss"]))

    def test_a_build_that_failed_for_good_falls_back_with_the_reason(self):
        with StubServer() as server:
            server.faults["TriggerBuild"] = [lambda context: ("these vectors are no good", False)]
            said = self.build(server.address, "--clean-up-failed", code=1)
            self.assertRegex(said, r"build \(await\): .*these vectors are no good; build it locally")
            self.assertEqual(server.blobs, {})

    def test_refusals_fall_back_with_the_reason(self):
        for method, phase in (("DescribeBuilder", "check"), ("DescribeRepository", "check"),
                              ("BeginUpload", "upload"), ("WritePart", "upload"), ("CompleteUpload", "upload"),
                              ("TriggerBuild", "trigger"), ("ReadRange", "download")):
            with self.subTest(method), StubServer() as server:
                server.faults[method] = [refuse(grpc.StatusCode.PERMISSION_DENIED)] * 50
                said = self.build(server.address, code=1)
                self.assertRegex(said, rf"build \({phase}\): .*because of the test.*build it locally")
                self.assertEqual(self.names(), [])

    def test_an_output_that_cannot_be_written_sends_nothing(self):
        with StubServer() as server:
            os.mkdir(self.path("folder"))
            self.assertRegex(self.build(server.address, out="nowhere/x.faiss", code=1), r"nowhere/\.: No such file.*make the folder")
            self.assertRegex(self.build(server.address, out="folder", code=1), r"folder\" is no regular file; name another")
            self.assertEqual(server.calls["BeginUpload"], 0)

    def test_what_is_too_small_or_switched_off_sends_nothing(self):
        with StubServer() as server:
            self.assertIn("switched off", self.build(server.address, sets=["build.enabled=false"], code=1))
            command = [word for word in self.command(server.address, "--out", self.path("o")) if word != "--any-size"]
            said = subprocess.run([*command, self.path("vectors.npy")], capture_output=True, text=True, timeout=50)
            self.assertIn("below build.size.min.bytes", said.stderr)
            self.assertEqual(sum(server.calls.values()), 0)


def answer_once(message):
    """The first piece of a range comes as that message."""
    def begin(context):
        answers = [message]
        return lambda data, where: answers.pop() if answers else data
    return begin


class Spoilt(BuildCase):
    """What comes of a range is not what was asked for: bits that flip on the way can do that."""
    rows, dimension = 400, 16
    wrong = (
        ("is not the range that was asked for", repository.ReadRangeResponse(offset=1 << 40, data=b"x" * 4096)),
        ("is not the range that was asked for", repository.ReadRangeResponse(offset=0, data=b"x" * 0)),
        ("a message of [0-9]+ bytes came where 8192", repository.ReadRangeResponse(offset=0, data=b"x" * 100000)),
    )

    def test_the_part_begins_anew(self):
        for why, message in self.wrong:
            with self.subTest(why), StubServer() as server:
                server.faults["ReadRange"] = [answer_once(message)] * 2
                _, figures = self.build(server.address, "--graph-only")
                self.assertGreaterEqual(figures["retries"], 1)
                self.check_search()

    def test_not_for_ever(self):
        for why, message in self.wrong:
            with self.subTest(why), StubServer() as server:
                server.faults["ReadRange"] = [answer_once(message)] * 200
                said = self.build(server.address, out="never.faiss", code=1)
                self.assertRegex(said, rf"build \(download\): .*{why}.*build it locally")


class CleanUp(BuildCase):
    rows, dimension = 400, 16

    def run_build(self, server, *arguments, sets=(), code=0):
        """Its figures; the blobs that the log says are left; the count of them."""
        process = self.start(server.address, "--key", "k", "--stats", "json", *arguments,
                             sets=["log.stderr=true", "log.format=json", *sets])
        printed, said = process.communicate(timeout=50 * SLOW)
        self.assertEqual(process.returncode, code, said)
        lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        told = [line["blob"] for line in lines if line.get("event") == "blob_left"]
        counts = [line["vecmux_build_blobs_left_total"][0]["value"] for line in lines if "vecmux_info" in line]
        figures = json.loads(printed.splitlines()[-1]) if code == 0 else None
        return figures, told, counts[0]

    def test_a_server_that_fails_for_a_moment_is_asked_again(self):
        with StubServer() as server:
            server.faults["DeleteBlob"] = [refuse(grpc.StatusCode.UNAVAILABLE)]
            figures, told, count = self.run_build(server)
            self.assertEqual((figures["blobs_left"], told, count), (0, [], 0))
            self.assertEqual((server.blobs, server.calls["DeleteBlob"]), ({}, 4))

    def test_what_a_server_refuses_to_delete_is_told(self):
        with StubServer() as server:
            server.faults["DeleteBlob"] = [refuse(grpc.StatusCode.PERMISSION_DENIED)]
            figures, told, count = self.run_build(server)
            self.assertEqual((figures["blobs_left"], told, count), (1, ["k.knnvec"], 1))
            self.assertEqual(list(server.blobs), ["k.knnvec"])

    def test_a_server_that_cannot_be_reached_is_not_asked_for_every_blob(self):
        with StubServer() as server:
            server.faults["DeleteBlob"] = [lambda context: None] + [refuse(grpc.StatusCode.UNAVAILABLE)] * 99
            figures, told, count = self.run_build(server, sets=[f"call.timeout.ms={int(2000 * SLOW)}"])
            self.assertEqual((figures["blobs_left"], told, count), (2, ["k.knndid", "k.faiss"], 2))
            self.assertEqual(sorted(server.blobs), ["k.faiss", "k.knndid"])

    def test_uploads_that_cannot_be_aborted_are_told(self):
        with StubServer() as server:
            server.faults["WritePart"] = [refuse(grpc.StatusCode.PERMISSION_DENIED)] * 9
            server.faults["AbortUpload"] = [refuse(grpc.StatusCode.PERMISSION_DENIED)] * 9
            _, told, count = self.run_build(server, "--clean-up-failed", code=1)
            self.assertEqual((told, count), (["k.knnvec", "k.knndid"], 2))
            self.assertEqual(len(server.uploads), 2)


class Stops(BuildCase):
    def cancel_when(self, server, ready):
        process = self.start(server.address, "--clean-up-failed")
        deadline = time.monotonic() + 20 * SLOW
        while not ready() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertTrue(ready(), process.poll())
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20 * SLOW)
        self.assertEqual(process.returncode, 1)
        self.assertIn("cancelled", said)
        self.assertEqual(self.names(), [])
        self.assertEqual(server.blobs, {})
        self.assertEqual(server.uploads, {})

    def test_cancelled_while_uploading(self):
        with StubServer() as server:
            def slow(context):
                def take(data, where):
                    time.sleep(0.05)
                    return data
                return take
            server.faults["WritePart"] = [slow] * 20
            self.cancel_when(server, lambda: server.received_bytes > 0)

    def test_cancelled_while_waiting(self):
        with StubServer(build_s=30) as server:
            self.cancel_when(server, lambda: server.calls["WatchBuild"] > 0)
            self.assertEqual(server.calls["CancelBuild"], 1)

    def test_cancelled_while_waiting_for_the_second_try(self):
        with StubServer() as server:
            def begin_slow(context):
                server.build_s = 30
            server.faults["TriggerBuild"] = [lambda context: ("no room now", True), begin_slow]
            self.cancel_when(server, lambda: any(job.attempt == 2 for job in list(server.builds.values())))
            self.assertEqual(server.calls["CancelBuild"], 1)

    def test_cancelled_while_downloading(self):
        with StubServer() as server:
            def slow(context):
                def take(data, where):
                    time.sleep(0.1)
                    return data
                return take
            server.faults["ReadRange"] = [slow] * 40
            self.cancel_when(server, lambda: server.calls["ReadRange"] > 0)

    def test_killed_at_any_moment_it_goes_on(self):
        """Killed with SIGKILL again and again, each time a little later."""
        with StubServer(build_s=0.2) as server:
            self.build(server.address, "--key", "whole", out="whole.faiss")
            alone, server.received_bytes = server.received_bytes, 0

            def slow(context):
                def take(data, where):
                    time.sleep(0.004)
                    return data
                return take
            server.faults["WritePart"] = [slow] * 200
            server.faults["ReadRange"] = [slow] * 200
            for i in range(6):
                process = self.start(server.address, "--key", "killed", "--graph-only")
                time.sleep((0.05 + 0.06 * i) * SLOW)
                process.kill()
                process.communicate()
                if self.names() == ["out.faiss", "whole.faiss"]:
                    break  # it was whole before, its state is gone: called again it would begin anew
            else:
                self.build(server.address, "--key", "killed", "--graph-only")
            self.assertEqual(self.read(), self.read("whole.faiss"))
            self.assertLessEqual(server.received_bytes, 1.3 * alone)
            self.assertEqual(server.blobs, {})
            self.assertEqual(self.names(), ["out.faiss", "whole.faiss"])


if __name__ == "__main__":
    BuildCase.vecmux = sys.argv.pop(1)
    unittest.main()
