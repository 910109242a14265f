#!/usr/bin/python3
"""What `vecmux load --dry-run` says of files, and what of wrong ones; no server is needed."""
import json
import os
import tempfile

import numpy as np

import formats
from harness import CliCase, run, unittest


class DryRunTest(CliCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.array = np.arange(5000, dtype="float32").reshape(1000, 5)
        np.save(self.path("a.npy"), self.array)

    def path(self, name):
        return os.path.join(self.directory, name)

    def text(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def dry_run(self, *arguments, stdin="", code=0):
        got, out, err = run("load", "--dry-run", *arguments, stdin=stdin)
        self.assertEqual((got, err), (code, ""))
        return out

    def dry_json(self, *arguments, **options):
        return json.loads(self.dry_run("--json", *arguments, **options))

    def refused(self, *arguments, code=1, says=()):
        self.fails(code, "load", "--dry-run", *arguments, says=says)

    def test_text(self):
        path = self.path("a.npy")
        self.assertEqual(self.dry_run(path), f"{path}: NumPy array, float32, 1,000 rows x 5, 20,128 bytes\n"
                         '1,000 vectors of dimension 5; ids "0" to "999"\n'
                         "the first: [0, 1, 2, 3, ...] \n"
                         "every row can be sent\n")

    def test_rows_and_ids(self):
        path = self.path("a.npy")
        got = self.dry_json("--first-row", "10", "--rows", "5", "--id-format", "img-%06d", path)
        self.assertEqual((got["vectors"], got["first_id"], got["last_id"]), (5, "img-000010", "img-000014"))
        got = self.dry_json("--first-row", "995", "--rows", "50", "--id-offset", "7", path)
        self.assertEqual((got["vectors"], got["first_id"], got["last_id"]), (5, "1002", "1006"))
        got = self.dry_json(path, path)
        self.assertEqual((got["vectors"], got["last_id"], len(got["files"])), (2000, "1999", 2))
        got = self.dry_json("--first-row", "1500", "--rows", "1", path, path)
        self.assertEqual((got["vectors"], got["first_id"]), (1, "1500"))

    def test_ids_and_metadata_in_step(self):
        path = self.path("a.npy")
        ids = self.text("ids", "".join(f"name {i}\n" for i in range(1000)))
        np.save(self.path("keys.npy"), np.arange(1000, dtype="int64") + 2**53)
        np.save(self.path("labels.npy"), np.arange(1000, dtype="uint8") % 10)
        meta = self.text("meta", "".join('{"n":%d}\n' % i if i % 2 else "\n" for i in range(1000)))
        got = self.dry_json("--ids", ids, "--metadata", meta, path)
        self.assertEqual((got["first_id"], got["last_id"], got["with_metadata"]), ("name 0", "name 999", 500))
        got = self.dry_json("--ids", self.path("keys.npy"), "--first-row", "999", path)
        self.assertEqual(got["first_id"], str(2**53 + 999))
        out = self.dry_run("--column", f"label={self.path('labels.npy')}", "--column", f'the "name"={ids}',
                           "--first-row", "7", path)
        self.assertIn('[35, 36, 37, 38, ...] {"label":7,"the \\"name\\"":"name 7"}\n', out)

    def test_wrong_steps(self):
        path = self.path("a.npy")
        short = self.text("short", "a\n" * 999)
        self.refused("--ids", short, path, says=["--ids", "999 rows", "1000 vectors"])
        self.refused("--metadata", short, path, says=["--metadata", "999 rows", "1000 vectors"])
        self.refused("--column", f"x={short}", path, says=["--column", "999 rows"])
        self.refused("--ids", self.text("long", ("a" * 513 + "\n") * 1000), path, says=["row 0", "513", "512"])
        self.refused("--ids", self.path("none"), path, says=["--ids", "No such file"])
        self.refused("--ids", self.path("a.npy"), path, says=["5 numbers in a row"])
        self.refused("--id-format", "x", path, code=2, says=["--id-format", "%06d"])
        self.refused("--id-format", "%d", "--ids", short, path, code=2, says=["one of them"])
        self.refused("--column", "x", path, code=2, says=["NAME=FILE"])

    def test_json_lines(self):
        good = [{"id": "a", "values": [1, 2]}, {"id": "b", "values": [3, 4], "metadata": {"x": 1}},
                {"id": "c", "sparse": {"indices": [1], "values": [2]}}]
        text = "\n".join(map(json.dumps, good))
        got = self.dry_json("-", stdin=text)
        self.assertEqual([got[key] for key in "vectors dimension with_sparse with_metadata wrong".split()],
                         [3, 2, 1, 1, 0])
        wrong = self.text("wrong.jsonl", text + '\n\n{"id":"d"\n{"id":"e","values":[1]}\n[1]\n{"values":[1,2]}\n'
                          '{"id":"f","values":[1,null]}\n{"id":"g","values":[1,2],"error":"was sick"}\n'
                          '{"id":"h","values":[1,2],"colour":1}\n')
        got = self.dry_json(wrong, code=1)
        self.assertEqual((got["vectors"], got["wrong"]), (10, 6))
        self.assertIn("line 5, row 3, byte ", got["first_wrong"])
        self.assertEqual(self.dry_json("--id-format", "%d", self.text("no.jsonl", '{"values":[1,2]}\n'))["first_id"],
                         "0")

    def test_long_lines(self):
        long = '{"id":"x","values":[' + "1," * 600000 + "1]}\n"
        path = self.text("long.jsonl", '{"id":"a","values":[1]}\n' + long + '{"id":"b","values":[1]}\n' + long * 2)
        got = self.dry_json(path, code=1)
        self.assertEqual((got["vectors"], got["wrong"], got["last_id"]), (5, 3, "b"))
        self.assertIn("line 2, row 1, byte 24: a line of more than 1048576 bytes", got["first_wrong"])

    def test_wrong_values(self):
        array = self.array.copy()
        array[17, 3] = np.nan
        array[900, 0] = np.inf
        np.save(self.path("b.npy"), array)
        got = self.dry_json(self.path("b.npy"), code=1)
        self.assertEqual((got["vectors"], got["wrong"], got["first_wrong"]), (1000, 2, "row 17: value 3 is nan"))

    def test_wrong_files(self):
        path = self.path("a.npy")
        self.refused(code=2, says=["no file"])
        self.refused(self.path("a.xyz"), code=2, says=["a.xyz", "--format", "fvecs"])
        self.refused("--format", "xyz", path, code=2, says=['"xyz"', "fvecs"])
        self.refused("--format", "fvecs", path, says=[path, "dimension"])
        self.refused(self.path("none.npy"), says=["none.npy", "No such file"])
        np.save(self.path("b.npy"), np.zeros((2, 3)))
        self.refused(path, self.path("b.npy"), says=["b.npy", "dimension 3", "is 5"])
        self.refused(path, self.text("c.jsonl", ""), says=["one by one"])
        with open(path, "r+b") as file:
            file.truncate(20000)
        self.refused(path, says=["a.npy: truncated: row 993 of 1000 is 20 bytes from byte 19988 on", "ends at 20000"])


if __name__ == "__main__":
    unittest.main()
