#!/usr/bin/python3
"""`vecmux load` against a vecmuxd: every vector ends in the index or in the dead letters; a killed load goes on.

usage: test_load.py VECMUXD [test...]
"""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np

import formats
from harness import EMULATOR, SLOW, ServerCase, lines, run

# valgrind and the thread sanitizer take a tenth of the vectors
SCALE = 1 if SLOW <= 4 else 10


class LoadBase(ServerCase):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def path(self, name):
        return os.path.join(self.directory, name)

    def load(self, *arguments, code=0, stdin=""):
        """Runs a load; gives its last JSON line and stderr."""
        got, out, err = run("load", "--json", "--endpoint", self.server.endpoint, *arguments, stdin=stdin)
        self.assertEqual(got, code, out + err)
        if code == 0:
            self.assertEqual(err, "")
        return json.loads(out.splitlines()[-1]), err

    def count(self, namespace="__default__"):
        stats, = self.vecmux("stats")
        return {space["name"]: space["vector_count"] for space in stats["namespaces"]}.get(namespace, 0)

    def fetch(self, ids, *arguments):
        """The records of the index, by id."""
        return {record["id"]: record for record in self.vecmux("fetch", *arguments, "-", stdin=lines(ids))}

    def letters(self, name="dead"):
        with open(self.path(name), encoding="utf-8") as file:
            return [json.loads(line) for line in file]


class LoadTest(LoadBase):
    def test_every_format(self):
        array = np.random.default_rng(8).integers(1, 100, (50, 12)).astype("float32")
        for path in formats.all_formats(self.directory, array):
            space = os.path.basename(path)
            done, _ = self.load("--namespace", space, path)
            self.assertEqual((done["stored"], done["failed"], done["complete"]), (50, 0, True))
            records = self.fetch([str(i) for i in range(50)], "--namespace", space)
            got = np.array([records[str(i)]["values"] for i in range(50)], "float32")
            np.testing.assert_array_equal(got, array, path)

    def test_texts_for_people(self):
        np.save(self.path("a.npy"), np.ones((10, 2), "f4"))
        code, out, err = run("load", "--endpoint", self.server.endpoint, self.path("a.npy"))
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"^10 vectors stored, 0 failed, 0 retries; 0\.0 MB in \d+\.\d s")

    def test_ids_and_metadata(self):
        array = np.arange(20, dtype="f4").reshape(10, 2) + 1
        np.save(self.path("a.npy"), array)
        np.save(self.path("label.npy"), np.arange(10, dtype="i8") - 5)
        with open(self.path("name"), "w", encoding="utf-8") as file:
            file.writelines(f'the "{i}"\n' for i in range(10))
        self.load("--id-format", "img-%03d", "--column", f"label={self.path('label.npy')}", "--column",
                  f"name={self.path('name')}", self.path("a.npy"))
        record, = self.vecmux("fetch", "img-003")
        self.assertEqual(record, {"id": "img-003", "values": [7, 8], "metadata": {"label": -2, "name": 'the "3"'}})
        with open(self.path("meta"), "w", encoding="utf-8") as file:
            file.write('{"a":1}\n\n' * 5)
        self.load("--ids", self.path("name"), "--metadata", self.path("meta"), "--first-row", "4", self.path("a.npy"))
        records = self.fetch(['the "3"', 'the "4"', 'the "5"'])
        self.assertEqual([name for name in sorted(records)], ['the "4"', 'the "5"'])
        self.assertEqual(records['the "4"']["metadata"], {"a": 1})
        self.assertNotIn("metadata", records['the "5"'])

    def test_bad_vectors(self):
        """1,000 bad vectors scattered in 100,000."""
        total, bad = 100000 // SCALE, 1000 // SCALE
        chosen = sorted(random.Random(9).sample(range(total), bad))
        kinds = ["dimension", "json", "null", "id", "metadata"]
        kind_of = {row: kinds[i % len(kinds)] for i, row in enumerate(chosen)}
        good = lambda i: {"id": f"v{i}", "values": [i, 1, 2, 3]}  # noqa: E731
        with open(self.path("a.jsonl"), "w", encoding="utf-8") as file:
            for i in range(total):
                record, kind = good(i), kind_of.get(i)
                if kind == "dimension":
                    record["values"] = [i, 1, 2]
                elif kind == "null":
                    record["values"][2] = None
                elif kind == "id":
                    del record["id"]
                elif kind == "metadata":
                    record["metadata"] = {"nested": {"not": "allowed"}}
                file.write(json.dumps(record)[:-1 if kind == "json" else None] + "\n")
        done, err = self.load("--dead-letters", self.path("dead"), self.path("a.jsonl"), code=1)
        self.assertEqual((done["stored"], done["failed"], done["complete"]), (total - bad, bad, True), err)
        self.assertEqual(err.count("\n"), 10, err)
        self.assertEqual(self.count(), total - bad)
        letters = self.letters()
        self.assertEqual(len(letters), bad)
        self.assertTrue(all(len(letter["error"]["message"]) > 5 for letter in letters))

        # as they are they fail again, with the same reasons
        again, _ = self.load("--dead-letters", self.path("again"), "--format", "jsonl", self.path("dead"), code=1)
        self.assertEqual((again["stored"], again["failed"]), (0, bad))
        self.assertEqual(len(self.letters("again")), bad)

        # repaired, they are all stored; the "error" stays in the line
        with open(self.path("repaired"), "w", encoding="utf-8") as file:
            for letter in letters:
                text = letter.get("text", "")
                record = json.loads(text + ("" if text.endswith("}") else "}")) if text else letter
                values = record.get("values")
                row = int(values[0])
                letter.pop("metadata", None)
                if text:
                    letter["text"] = json.dumps(good(row))
                else:
                    letter.update(good(row))
                file.write(json.dumps(letter) + "\n")
        done, _ = self.load("--format", "jsonl", self.path("repaired"))
        self.assertEqual((done["stored"], done["failed"]), (bad, 0))
        self.assertEqual(self.count(), total)
        records = self.fetch([f"v{i}" for i in chosen])
        self.assertEqual(records, {f"v{i}": good(i) for i in chosen})

    def test_many_bad_lines_in_a_row(self):
        """Each takes an id of its own, long enough that they would overrun what is kept of texts."""
        with open(self.path("a.jsonl"), "w", encoding="utf-8") as file:
            file.write("x\n" * 20000)
        done, _ = self.load("--id-format", "p" * 400 + "%d", "--dead-letters", self.path("dead"), self.path("a.jsonl"),
                            code=1)
        self.assertEqual((done["stored"], done["failed"], done["complete"]), (0, 20000, True))

    def test_numbers_that_no_index_takes(self):
        array = np.ones((3000, 4), "f4")
        array[[7, 1500, 2999], 1] = [np.nan, np.inf, -np.inf]
        np.save(self.path("a.npy"), array)
        done, err = self.load("--dead-letters", self.path("dead"), self.path("a.npy"), code=1)
        self.assertEqual((done["stored"], done["failed"]), (2997, 3))
        self.assertEqual(err.count("\n"), 3)
        letters = self.letters()
        self.assertEqual([letter["id"] for letter in letters], ["7", "1500", "2999"])
        self.assertEqual(letters[0]["values"], [1, None, 1, 1])

    def test_memory_of_readers(self):
        """What files are read into counts with what is sent, and fits a small limit; a line that does not is said."""
        formats.write_vecs(self.path("a.fvecs"), np.ones((20000, 16), "f4"))
        code, out, err = run("load", "--endpoint", self.server.endpoint, "--quiet", "--stats", "json", "--set",
                             "memory.limit.bytes=1m", self.path("a.fvecs"))
        self.assertEqual(code, 0, out + err)
        stats = json.loads(err)
        value = lambda name, label: next(  # noqa: E731
            one["value"] for one in stats[name] if label in one["labels"].values())
        self.assertGreater(value("vecmux_memory_peak_bytes", "send"), 1 << 18)
        self.assertLessEqual(value("vecmux_memory_peak_bytes", "send"), 1 << 20)
        self.assertEqual([one["value"] for one in stats["vecmux_memory_send_bytes"]], [0] * 5)
        with open(self.path("a.jsonl"), "w", encoding="utf-8") as file:
            file.write(json.dumps({"id": "1", "values": [1], "more": "x" * 900000}) + "\n")
        code, _, err = run("load", "--endpoint", self.server.endpoint, "--quiet", "--set", "memory.limit.bytes=1m",
                           self.path("a.jsonl"))
        self.assertEqual(code, 1)
        self.assertRegex(err, r"a\.jsonl: its readers hold \d+ bytes: .*memory\.limit\.bytes is 1048576.*raise it")

    def test_file_that_breaks_off(self):
        array = np.ones((3000, 4), "f4")
        formats.write_vecs(self.path("a.fvecs"), array)
        with open(self.path("a.fvecs"), "r+b") as file:
            file.seek(2000 * 20)
            file.write(b"\5")
        done, err = self.load(self.path("a.fvecs"), code=1)
        self.assertFalse(done["complete"])
        self.assertEqual(done["stored"], self.count())
        self.assertIn("a.fvecs: row 2000, byte 40000: dimension 5; 4 was expected", err)

    def test_nothing_is_sent_of_a_wrong_file(self):
        np.save(self.path("a.npy"), np.ones((3000, 4), "f4"))
        np.save(self.path("b.npy"), np.ones((3000, 4), "f4"))
        with open(self.path("b.npy"), "r+b") as file:
            file.truncate(30000)
        self.refuses("load", self.path("a.npy"), self.path("b.npy"), says=["b.npy", "truncated: row 1867", "30000"])
        self.assertEqual(self.count(), 0)

    def test_processes(self):
        total = 20000 // SCALE
        array = np.random.default_rng(4).standard_normal((total, 8)).astype("f4")
        np.save(self.path("a.npy"), array)
        formats.write_lines(self.path("a.jsonl"), [*formats.records(array), {"id": "bad", "values": [1]}])
        done, _ = self.load("--processes", "3", self.path("a.npy"))
        self.assertEqual((done["stored"], done["failed"], done["complete"]), (total, 0, True))
        self.assertEqual(self.count(), total)
        done, _ = self.load("--processes", "3", "--namespace", "two", "--dead-letters", self.path("dead"), "--",
                            self.path("a.jsonl"), code=1)
        self.assertEqual((done["stored"], done["failed"], done["complete"]), (total, 1, True))
        self.assertEqual(self.count("two"), total)
        self.assertEqual([letter["id"] for letter in self.letters()], ["bad"])
        done, _ = self.load("--processes", "4", "--namespace", "few", "--rows", "3", self.path("a.npy"))
        self.assertEqual((done["stored"], self.count("few")), (3, 3))

    def test_processes_share_the_rate(self):
        np.save(self.path("a.npy"), np.ones((4000, 4), "f4"))
        began = time.monotonic()
        done, _ = self.load("--processes", "2", "--rate", "2000", "--batch-vectors", "100", self.path("a.npy"))
        self.assertEqual(done["stored"], 4000)
        self.assertGreater(time.monotonic() - began, 1.8)  # each at 2,000/s would take one second

    def test_standard_input(self):
        done, _ = self.load("-", stdin=lines({"id": f"{i}", "values": [1, i]} for i in range(2500)))
        self.assertEqual((done["stored"], self.count()), (2500, 2500))
        self.refuses("load", "-", "--processes", "2", code=2, says=["--processes"])

    def test_server_that_is_not_there(self):
        np.save(self.path("a.npy"), np.ones((10, 4), "f4"))
        got, out, err = run("load", "--endpoint", "127.0.0.1:1", "--delivery-timeout-ms", "500", "--dead-letters",
                            self.path("dead"), self.path("a.npy"))
        self.assertEqual(got, 1)
        self.assertIn("0 vectors stored, 10 failed", out)
        self.assertEqual(len(self.letters()), 10)
        self.assertEqual(self.load("--format", "jsonl", self.path("dead"))[0]["stored"], 10)


class ResumeTest(LoadBase):
    """A load that is stopped goes on; its state file belongs to it alone."""

    def start(self, *arguments, **options):
        command = [*EMULATOR, os.environ["VECMUX"], "load", "--endpoint", self.server.endpoint, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def state(self, name="state"):
        if not os.path.exists(self.path(name)):
            return {"next_row": 0, "finished": False}
        with open(self.path(name), encoding="utf-8") as file:
            return json.load(file)

    def killed(self, arguments, seconds):
        """Starts a load and kills it with -9 after some time; whether it was still running."""
        process = self.start(*arguments)
        time.sleep(seconds)
        running = process.poll() is None
        process.kill()
        process.communicate()
        return running

    def test_kill_at_ten_moments(self):
        """Rows write every id many times, and some can never be stored: the content is that of one whole load."""
        total, distinct = 100000 // SCALE, 7000 // SCALE
        chance = random.Random(int(os.environ.get("VMX_TEST_SEED", time.time_ns() % 10**6)))
        array = np.random.default_rng(3).standard_normal((total, 8)).astype("f4")
        bad = sorted(chance.sample(range(total // 2), 20))
        array[bad, 3] = np.nan
        np.save(self.path("a.npy"), array)
        with open(self.path("ids"), "w", encoding="utf-8") as file:
            file.writelines(f"id {i % distinct}\n" for i in range(total))
        arguments = ("--resume", self.path("state"), "--ids", self.path("ids"), self.path("a.npy"))
        kills, at = 0, [0]
        while kills < 10:
            kills += self.killed(("--rate", str(12000 / SCALE / SLOW)) + arguments, chance.uniform(0.05, 0.8) * SLOW)
            state = self.state()
            at.append(state["next_row"])
            self.assertFalse(state["finished"], f"finished after {kills} kills, at rows {at}")
        self.assertEqual(at, sorted(at))
        self.assertGreater(at[-1], 0)
        done, err = self.load(*arguments, code=1)
        print(f"killed at rows {at[1:]}")
        self.assertEqual((done["complete"], done["stored_before"] > 0), (True, True), err)
        self.assertEqual(done["stored"] + done["stored_before"], total - len(bad))
        self.assertEqual(done["failed"] + done["failed_before"], len(bad))
        self.assertEqual({letter["id"] for letter in self.letters("state.dead")}, {f"id {i % distinct}" for i in bad})
        expected = {f"id {i % distinct}": array[i] for i in range(total) if i not in set(bad)}
        records = self.fetch(list(expected))
        self.assertEqual(self.count(), len(expected))
        for name, values in expected.items():
            self.assertEqual(np.array(records[name]["values"], "f4").tobytes(), values.tobytes(), name)
        # what is finished is not begun again
        again, _ = self.load(*arguments, code=1)
        self.assertEqual((again["stored"], again["complete"]), (0, True))

    def test_kill_of_processes(self):
        total = 20000 // SCALE
        array = np.random.default_rng(3).standard_normal((total, 8)).astype("f4")
        formats.write_lines(self.path("a.jsonl"), formats.records(array))
        arguments = ("--resume", self.path("state"), "--processes", "2", self.path("a.jsonl"))
        self.killed(("--rate", str(5000 / SCALE / SLOW)) + arguments, 1.0 * SLOW)
        limit = time.monotonic() + 10 * SLOW  # the parts notice that nobody reads what they print
        while time.monotonic() < limit and any(self.locked(f"state.{i}of2.lock") for i in (1, 2)):
            time.sleep(0.05)
        done, _ = self.load(*arguments)
        self.assertEqual(done["stored"] + done["stored_before"], total)
        self.assertGreater(done["stored_before"], 0)
        self.assertEqual(self.count(), total)

    def locked(self, name):
        return os.path.exists(self.path(name)) and subprocess.run(
            ["flock", "--nonblock", self.path(name), "true"], check=False).returncode != 0

    def test_signal_then_go_on(self):
        array = np.random.default_rng(3).standard_normal((20000, 8)).astype("f4")
        np.save(self.path("a.npy"), array)
        arguments = ("--resume", self.path("state"), self.path("a.npy"))
        process = self.start("--rate", "10000", *arguments)
        limit = time.monotonic() + 20 * SLOW
        while time.monotonic() < limit and self.state()["next_row"] == 0:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30 * SLOW)
        self.assertEqual((process.returncode, err), (1, ""), out)
        self.assertIn("the load is not complete", out)
        before = self.state()["next_row"]
        self.assertEqual(self.count(), before)
        done, _ = self.load(*arguments)
        self.assertEqual((done["stored_before"], done["stored"]), (before, 20000 - before))

    def test_signal_while_standard_input_is_silent(self):
        process = self.start("--json", "-", stdin=subprocess.PIPE)
        process.stdin.write(lines([{"id": str(i), "values": [1, 2]} for i in range(4000)]))
        process.stdin.flush()
        limit = time.monotonic() + 20 * SLOW
        while self.count() == 0 and time.monotonic() < limit:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        code = process.wait(30 * SLOW)
        done = json.loads(process.stdout.read().splitlines()[-1])
        self.assertEqual((code, done["complete"], done["stored"]), (1, False, self.count()))
        self.assertIn("interrupted", process.stderr.read())
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()

    def test_control_c_for_all_processes(self):
        """On a terminal every process gets the signal; the first one is an order to end in order all the same."""
        np.save(self.path("a.npy"), np.ones((40000, 8), "f4"))
        arguments = ("--resume", self.path("state"), "--processes", "2", self.path("a.npy"))
        process = self.start("--rate", "10000", *arguments, process_group=0)
        limit = time.monotonic() + 20 * SLOW
        while time.monotonic() < limit and not all(self.state(f"state.{i}of2")["next_row"] for i in (1, 2)):
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30 * SLOW)
        self.assertEqual((process.returncode, err), (1, ""), out)
        self.assertIn("the load is not complete", out)
        stored = sum(self.state(f"state.{i}of2")["stored"] for i in (1, 2))
        self.assertEqual(self.count(), stored)
        done, _ = self.load(*arguments)
        self.assertEqual((done["stored_before"], done["stored"]), (stored, 40000 - stored))

    def test_state_of_another_load(self):
        np.save(self.path("a.npy"), np.ones((10, 4), "f4"))
        self.load("--resume", self.path("state"), self.path("a.npy"))
        self.refuses("load", "--resume", self.path("state"), "--id-offset", "1", self.path("a.npy"),
                     says=["state", "id-offset was different"])
        np.save(self.path("a.npy"), np.ones((11, 4), "f4"))
        self.refuses("load", "--resume", self.path("state"), self.path("a.npy"), says=["files was different"])
        self.refuses("load", "--resume", self.path("no/state"), self.path("a.npy"), says=["No such file"])

    def test_state_of_another_load_whose_name_is_no_text(self):
        names = [self.path(os.fsdecode(name)) for name in (b"\xfe.npy", b"\xff.npy")]
        for name in names:
            np.save(name, np.ones((10, 4), "f4"))
        self.load("--resume", self.path("state"), names[0])
        self.assertEqual(self.load("--resume", self.path("state"), names[0])[0]["stored_before"], 10)
        self.refuses("load", "--resume", self.path("state"), names[1], says=["files was different"])

    def test_state_that_cannot_be_written(self):
        np.save(self.path("a.npy"), np.ones((10, 4), "f4"))
        os.mkdir(self.path("state.new"))
        done, err = self.load("--resume", self.path("state"), self.path("a.npy"), code=1)
        self.assertEqual((done["stored"], done["complete"]), (10, False))
        self.assertIn("Is a directory", err)
        self.refuses("load", "--resume", self.directory, self.path("a.npy"), says=[self.directory, "a directory"])
        self.refuses("load", "--resume", "", self.path("a.npy"), code=2, says=['--resume ""'])

    def test_dead_letters_in_a_file_of_the_load(self):
        records = lines([{"id": str(i), "values": [1, 2] if i else [1]} for i in range(20)])
        for name in ("a.jsonl", "state.dead"):
            with open(self.path(name), "w", encoding="utf-8") as file:
                file.write(records[:-1])
        np.save(self.path("a.npy"), np.ones((19, 2), "f4"))
        os.link(self.path("a.jsonl"), self.path("b.jsonl"))
        state, a, b = self.path("state"), self.path("a.jsonl"), self.path("b.jsonl")
        for arguments in (("--dead-letters", a, a), ("--dead-letters", b, a), ("--resume", state, state + ".dead"),
                          ("--resume", state, "--dead-letters", state, a),
                          ("--ids", a, "--dead-letters", a, self.path("a.npy")),
                          ("--column", "x=" + b, "--dead-letters", a, self.path("a.npy"))):
            self.refuses("load", "--format", "npy" if arguments[-1].endswith("npy") else "jsonl", *arguments, code=2,
                         says=["dead letters", "give --dead-letters another file"])
        with open(a, encoding="utf-8") as file:
            self.assertEqual(file.read(), records[:-1])
        self.assertFalse(os.path.exists(state))

    def test_damaged_state(self):
        """A number that has changed would leave rows out in silence; it is refused as what is no state at all."""
        np.save(self.path("a.npy"), np.ones((50, 4), "f4"))
        arguments = ("--resume", self.path("state"), "--first-row", "10", self.path("a.npy"))
        self.load(*arguments)
        state = self.state()
        self.assertEqual((state["next_row"], state["stored"]), (50, 40))
        wrong = [{**state, "next_row": 60}, {**state, "next_row": 5}, {**state, "stored": 39}, {**state, "failed": -1},
                 {**state, "finished": 1}, {**state, "version": 7}, {}, [1]]
        for text in (*map(json.dumps, wrong), "", json.dumps(state)[:-20]):
            with open(self.path("state"), "w", encoding="utf-8") as file:
                file.write(text)
            self.refuses("load", *arguments, says=["state", "damaged", "remove it"])

    def test_two_loads_with_one_state(self):
        np.save(self.path("a.npy"), np.ones((100000, 4), "f4"))
        process = self.start("--resume", self.path("state"), "--rate", "1000", self.path("a.npy"))
        limit = time.monotonic() + 20 * SLOW
        while time.monotonic() < limit and not self.locked("state.lock"):
            time.sleep(0.02)
        self.refuses("load", "--resume", self.path("state"), self.path("a.npy"), says=["another load is using it"])
        process.kill()
        process.communicate()


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
