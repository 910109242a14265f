#!/usr/bin/python3
"""Every command of vecmux against a vecmuxd. usage: test_commands.py VECMUXD [test...]"""
import json
import os
import stat
import struct
import subprocess
import sys
import tempfile
import unittest

from harness import EMULATOR, SLOW, ServerCase, lines, run

RECORDS = [
    {"id": "a", "values": [1, 0], "metadata": {"genre": "drama", "year": 1999}},
    {"id": "b", "values": [0.6, 0.8], "metadata": {"genre": "comedy", "tags": ["x", "y"]}},
    {"id": "c", "values": [0, 1]},
]


def by_id(records):
    return sorted(records, key=lambda record: record["id"])


class CommandsTest(ServerCase):
    def load(self, records, *arguments):
        result, = self.vecmux("upsert", *arguments, stdin=lines(records))
        self.assertEqual(result["upserted"], len(records))

    def ids(self, *arguments):
        return [line["id"] for line in self.vecmux("list", *arguments)]

    def test_upsert_then_query(self):
        self.load(RECORDS)
        result, = self.vecmux("query", "--vector", "[0.6,0.8]", "--top-k", "2", "--include-metadata",
                              "--include-values")
        first, second = result["matches"]
        self.assertEqual((first["id"], second["id"]), ("b", "c"))
        self.assertAlmostEqual(first["score"], 1, places=5)
        self.assertAlmostEqual(second["score"], 0.8, places=5)
        self.assertEqual(first["metadata"], RECORDS[1]["metadata"])
        self.assertEqual([round(value, 6) for value in first["values"]], [0.6, 0.8])
        self.assertNotIn("metadata", second)

    def test_query_by_id_and_filter(self):
        self.load(RECORDS)
        result, = self.vecmux("query", "--id", "a", "--top-k", "1")
        self.assertEqual(result["matches"][0]["id"], "a")
        result, = self.vecmux("query", "--id", "a", "--filter", '{"genre":{"$ne":"drama"}}', "--top-k", "5")
        self.assertNotIn("a", [match["id"] for match in result["matches"]])

    def test_many_queries_keep_their_order(self):
        self.load([{"id": f"{i:03}", "values": [i + 1, 100 - i]} for i in range(100)])
        queries = [{"id": f"{i:03}", "top_k": 1 + i % 3} for i in range(100)]
        results = self.vecmux("query", "--in-flight", "16", stdin=lines(queries))
        self.assertEqual([result["matches"][0]["id"] for result in results], [query["id"] for query in queries])
        self.assertEqual([len(result["matches"]) for result in results], [query["top_k"] for query in queries])

    def test_a_query_that_fails_ends_the_output(self):
        self.vecmux("upsert", stdin=lines(RECORDS))
        queries = lines([{"id": "a"}, {"vector": [1, 2, 3]}, {"id": "b"}, {"id": "c"}])
        code, out, err = run("query", "--endpoint", self.server.endpoint, stdin=queries)
        self.assertEqual((code, len(out.splitlines())), (1, 1), out + err)
        self.assertIn("line 2: ", err)
        queries = lines([{"id": "a"}, {"id": "b"}, {"top_k": 1}, {"id": "c"}])
        code, out, err = run("query", "--endpoint", self.server.endpoint, stdin=queries)
        self.assertEqual((code, len(out.splitlines())), (1, 2), out + err)
        self.assertIn("line 3: ", err)
        self.refuses("query", "--id", "a", "--file", "x", code=2, says=["--file", '"x"'])

    def test_fetch_gives_what_upsert_takes(self):
        self.load(RECORDS)
        code, out, err = run("fetch", "--endpoint", self.server.endpoint, "a", "b", "c", "missing")
        self.assertEqual((code, err), (0, ""))
        again, = self.vecmux("upsert", "--namespace", "copy", stdin=out)
        self.assertEqual(again["upserted"], 3)
        copies = by_id(self.vecmux("fetch", "--namespace", "copy", "-", stdin='"a"\n{"id":"b"}\n\n"c"\n'))
        self.assertEqual(copies, by_id(json.loads(line) for line in out.splitlines()))
        self.assertEqual(copies[0]["metadata"], RECORDS[0]["metadata"])

    def test_fetch_by_filter(self):
        self.load([{"id": f"{i:04}", "values": [1, i], "metadata": {"even": i % 2 == 0}} for i in range(3000)])
        even = self.vecmux("fetch", "--filter", '{"even":true}')
        self.assertEqual([record["id"] for record in by_id(even)], [f"{i:04}" for i in range(0, 3000, 2)])
        self.assertEqual(len(self.vecmux("fetch", "--filter", '{"even":true}', "--limit", "1001")), 1001)

    def test_list(self):
        self.load([{"id": f"{prefix}{i:03}", "values": [1, i]} for prefix in "xy" for i in range(250)])
        self.assertEqual(self.ids(), [f"{prefix}{i:03}" for prefix in "xy" for i in range(250)])
        self.assertEqual(self.ids("--prefix", "y", "--page-size", "7"), [f"y{i:03}" for i in range(250)])
        self.assertEqual(self.ids("--limit", "3"), ["x000", "x001", "x002"])
        self.assertEqual(self.ids("--namespace", "empty"), [])

    def test_batches(self):
        records = [{"id": f"{i:05}", "values": [1, i]} for i in range(2503)]
        self.load(records, "--batch", "100", "--in-flight", "3")
        self.load(records, "--namespace", "whole")
        # more than the index takes at once is sent in parts that it takes
        self.load(records, "--namespace", "parts", "--set", "upsert.max.vectors=7")
        self.load(records, "--namespace", "bytes", "--set", "upsert.max.bytes=1k")
        stats, = self.vecmux("stats")
        counts = {space["name"]: space["vector_count"] for space in stats["namespaces"]}
        self.assertEqual(counts, {"__default__": 2503, "whole": 2503, "parts": 2503, "bytes": 2503})
        self.assertEqual((stats["vector_count"], stats["dimension"], stats["metric"]), (4 * 2503, 2, "cosine"))

    def test_update(self):
        self.load(RECORDS)
        self.vecmux("update", "a", "--values", "[0.5,0.5]", "--set-metadata", '{"year":2000}')
        record, = self.vecmux("fetch", "a")
        self.assertEqual(record["values"], [0.5, 0.5])
        self.assertEqual(record["metadata"], {"genre": "drama", "year": 2000})
        many = ["update", "--filter", '{"genre":{"$exists":true}}', "--set-metadata", '{"seen":true}']
        result, = self.vecmux(*many, "--dry-run")
        self.assertEqual(result["matched"], 2)
        self.assertEqual(self.vecmux("fetch", "--filter", '{"seen":true}'), [])
        self.vecmux(*many)
        seen = self.vecmux("fetch", "--filter", '{"seen":true}')
        self.assertEqual([record["id"] for record in by_id(seen)], ["a", "b"])

    def test_delete(self):
        self.load([{"id": f"{i:04}", "values": [1, i], "metadata": {"odd": i % 2 == 1}} for i in range(2600)])
        self.vecmux("delete", "0000", "0002")
        self.assertEqual(len(self.ids()), 2598)
        self.vecmux("delete", "--filter", '{"odd":true}')
        left = self.ids()
        self.assertEqual(left, [f"{i:04}" for i in range(4, 2600, 2)])
        self.vecmux("delete", "-", stdin=lines({"id": name} for name in left[10:]))
        self.assertEqual(self.ids(), left[:10])
        self.vecmux("delete", "--all")
        self.assertEqual(self.ids(), [])

    def test_namespaces(self):
        created, = self.vecmux("namespace", "create", "--namespace", "films", "--field", "genre", "--field", "year")
        self.assertEqual(created["name"], "films")
        self.load(RECORDS, "--namespace", "films")
        self.load(RECORDS[:1], "--namespace", "books")
        described, = self.vecmux("namespace", "describe", "--namespace", "films")
        self.assertEqual((described["name"], described["vector_count"]), ("films", 3))
        self.assertEqual(sorted(described["fields"]), ["genre", "year"])
        names = [space["name"] for space in self.vecmux("namespace", "list", "--page-size", "1")]
        self.assertEqual(sorted(names), ["books", "films"])
        self.vecmux("namespace", "delete", "--namespace", "films")
        self.assertEqual([space["name"] for space in self.vecmux("namespace", "list")], ["books"])

    def test_wrong_lines(self):
        good = lines(RECORDS[:2])
        for bad, says in (
            ("{", ["JSON"]),
            ("[]", ["not a JSON object"]),
            ('{"values":[1,2]}', ['no "id"']),
            ('{"id":"x","vales":[1,2]}', ['"vales"']),
            ('{"id":"x","values":[1,"2"]}', ["element 1"]),
            ('{"id":"x","values":[1,1e999]}', ["JSON"]),
            ('{"id":"x","sparse":{"indices":[1],"values":[]}}', ['"sparse"']),
            ('{"id":"x","sparse":{"indices":[-1],"values":[1]}}', ["index 0"]),
            ('{"id":"x","values":[1,2],"metadata":[]}', ['"metadata"']),
        ):
            with self.subTest(bad):
                self.refuses("upsert", stdin=good + bad + "\n", says=["line 3", *says])
        self.assertEqual(self.ids(), ["a", "b"], "what stood before the wrong line is stored")

    def test_a_line_that_does_not_end(self):
        with open("/dev/zero", "rb") as zeros:
            done = subprocess.run([*EMULATOR, os.environ["VECMUX"], "upsert", "--endpoint", self.server.endpoint],
                                  stdin=zeros, capture_output=True, text=True, timeout=60 * SLOW, check=False)
        self.assertEqual((done.returncode, done.stderr),
                         (1, "vecmux: standard input, line 1: has more than 16777216 bytes; write one record on each "
                             "line\n"))

    def test_wrong_records(self):
        for record, says in (
            ({"id": "x", "values": [1, 1e39]}, ["x", "inf"]),
            ({"id": "", "values": [1, 2]}, ["id"]),
            ({"id": "i" * 513, "values": [1, 2]}, ["512", "513"]),
            ({"id": "x", "values": [1, 2], "metadata": {"text": "t" * 41000}}, ["40960"]),
        ):
            with self.subTest(says):
                self.refuses("upsert", stdin=lines([record]), says=["line 1", *says])
        self.refuses("upsert", stdin=lines([RECORDS[0], {"id": "x", "values": [1, 2, 3]}]), says=["lines 1 to 2", "3"])
        self.load(RECORDS)
        self.refuses("upsert", stdin=lines([{"id": "x", "values": [1, 2, 3]}]), says=["dimension", "3", "2"])
        self.refuses("query", "--vector", "[1,2,3]", says=["dimension", "3", "2"])
        self.refuses("query", "--vector", "[1,2", says=["JSON"])
        self.refuses("query", "--vector", "[1,2]", "--filter", '{"a":{"$near":1}}', says=["$near"])
        self.refuses("query", "--vector", "[1,2]", "--filter", '{"a":' * 6000 + "1" + "}" * 6000, says=["deeper than"])
        self.refuses("query", stdin='{"id":"a"}\n{"id":"a","filter":[]}\n', says=["line 2", '"filter"'])

    def without(self, descriptor, *arguments):
        """Runs vecmux with a standard descriptor closed."""
        return subprocess.run([*EMULATOR, os.environ["VECMUX"], *arguments, "--endpoint", self.server.endpoint],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60 * SLOW,
                              check=False, preexec_fn=lambda: os.close(descriptor))

    def test_standard_descriptors_that_are_closed(self):
        """They are no file of ours, and no connection."""
        done = self.without(0, "upsert")
        self.assertEqual((done.returncode, done.stderr),
                         (1, "vecmux: standard input, line 1: Bad file descriptor\n"))
        done = self.without(1, "stats")
        self.assertEqual((done.returncode, done.stderr), (1, "vecmux: standard output: Bad file descriptor\n"))

    def test_outputs_that_would_put_an_end_to_something(self):
        with tempfile.TemporaryDirectory() as directory:
            vectors, ids, pipe = (os.path.join(directory, name) for name in ("v.fbin", "ids", "pipe"))
            contents = {vectors: struct.pack("<II20f", 10, 2, *range(20)), ids: struct.pack("<10i", *range(10))}
            for name, content in contents.items():
                with open(name, "wb") as file:
                    file.write(content)
            os.mkfifo(pipe)
            for out, says in ((vectors, "holds the vectors"), (ids, "holds the ids"), (pipe, "no regular file"),
                              (directory, "no regular file")):
                self.refuses("build", "--any-size", "--doc-ids", ids, "--out", out, vectors, says=["--out", out, says])
            self.refuses("stats", "--metrics-file", pipe, says=["--metrics-file", pipe, "no regular file"])
            self.assertTrue(stat.S_ISFIFO(os.stat(pipe).st_mode))
            for name, content in contents.items():
                with open(name, "rb") as file:
                    self.assertEqual(file.read(), content)

    def test_time_limit(self):
        code, _, err = run("stats", "--endpoint", "127.0.0.1:1", "--timeout-ms", "300")
        self.assertEqual(code, 1)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertIn("127.0.0.1:1", err)


class KeyTest(ServerCase):
    server_arguments = ("--api-key", "right")

    def test_key(self):
        self.vecmux("stats", "--api-key", "right")
        self.refuses("stats", "--api-key", "wrong", says=["api.key"])
        self.refuses("stats", says=["api.key"])


class MetricTest(ServerCase):
    server_arguments = ("--metric", "dotproduct")

    def test_sparse(self):
        hybrid = {"id": "h", "values": [1, 2], "sparse": {"indices": [3, 4294967295], "values": [0.5, 0.25]}}
        self.vecmux("upsert", stdin=lines([hybrid]))
        record, = self.vecmux("fetch", "h")
        self.assertEqual(record, hybrid)
        result, = self.vecmux("query", "--vector", "[1,1]", "--sparse", '{"indices":[3],"values":[2]}')
        self.assertAlmostEqual(result["matches"][0]["score"], 4, places=5)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
