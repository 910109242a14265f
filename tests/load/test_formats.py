#!/usr/bin/python3
"""Every format gives the numbers that numpy put in, from any row on; a file that is cut short anywhere is refused."""
import os
import re
import subprocess
import tempfile
import unittest

import h5py
import numpy as np

import formats
from harness import EMULATOR, SLOW


def probe(*arguments):
    return subprocess.run([*EMULATOR, os.environ["PROBE"], *map(str, arguments)], capture_output=True, check=False,
                          timeout=60 * SLOW)


def format_of(path):
    name = os.path.basename(path)
    for ending, form in ((".npy", "npy"), ("ubyte", "idx"), (".hdf5", "hdf5"), ("json", "jsonl")):
        if ending in name:
            return form
    return name.rsplit(".", 1)[1]


class FormatsTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def path(self, name):
        return os.path.join(self.directory, name)

    def rows(self, path, dimension, first=0, maximum=1000, form=None):
        done = probe("read", form or format_of(path), path, first, maximum)
        self.assertEqual((done.returncode, done.stderr), (0, b""), path)
        return np.frombuffer(done.stdout, "float32").reshape(-1, dimension)

    def refused(self, form, path, *says):
        done = probe("read", form, path, 0, 10)
        self.assertEqual(done.returncode, 1, path)
        self.assertEqual(done.stderr.count(b"\n"), 1)
        for text in says:
            self.assertIn(text, done.stderr.decode())

    def test_every_format(self):
        array = np.random.default_rng(5).integers(0, 100, (100, 12)).astype("float32")
        count = 0
        for path in formats.all_formats(self.directory, array):
            np.testing.assert_array_equal(self.rows(path, 12, 0, 7), array, path)
            np.testing.assert_array_equal(self.rows(path, 12, 93, 1000), array[93:], path)
            self.assertEqual(len(self.rows(path, 12, 100)), 0)
            count += 1
        self.assertGreater(count, 35)

    def test_numbers_are_converted_as_numpy_does(self):
        generator = np.random.default_rng(6)
        halves = np.arange(65536, dtype="uint16").view("float16").reshape(-1, 64)
        doubles = (generator.standard_normal((200, 8)) * 10.0 ** generator.integers(-50, 50, (200, 8)))
        wholes = generator.integers(-(2**63), 2**63 - 1, (200, 8), dtype="int64")
        for array in (halves, doubles, wholes, wholes.view("uint64"), wholes.astype("int32"), wholes.astype("int16"),
                      wholes.astype("int8")):
            np.save(self.path("a.npy"), array)
            got = self.rows(self.path("a.npy"), array.shape[1])
            with np.errstate(over="ignore"):
                expected = array.astype("float32")
            np.testing.assert_array_equal(got, expected)
            np.save(self.path("b.npy"), array.astype(array.dtype.newbyteorder(">")))
            self.assertEqual(self.rows(self.path("b.npy"), array.shape[1]).tobytes(), got.tobytes())

    def test_rows_of_many_blocks(self):
        array = np.random.default_rng(7).standard_normal((5000, 400)).astype("float32")
        np.save(self.path("a.npy"), array)
        formats.write_vecs(self.path("a.fvecs"), array)
        formats.write_hdf5(self.path("a.hdf5"), array, chunks=(1000, 400))
        formats.write_hdf5(self.path("b.hdf5"), array)
        for name in ("a.npy", "a.fvecs", "a.hdf5", "b.hdf5"):
            np.testing.assert_array_equal(self.rows(self.path(name), 400), array)
            np.testing.assert_array_equal(self.rows(self.path(name), 400, 4321), array[4321:])

    def test_cut_anywhere(self):
        array = np.arange(24, dtype="float32").reshape(4, 6)
        whole_rows = {"fvecs": 28, "bvecs": 10, "ivecs": 28}  # a file that ends with a row is a whole file
        for path in formats.all_formats(self.directory, array):
            form = format_of(path)
            if form == "hdf5" and os.path.basename(path) not in ("plain-float32.hdf5", "chunks-uint8.hdf5"):
                continue  # they take long, and libhdf5 reads them all in the same way
            done = probe("cut", form, path)
            self.assertEqual((done.returncode, done.stderr), (0, b""), path)
            lines = done.stdout.decode().splitlines()
            self.assertEqual(len(lines), os.path.getsize(path))
            for length, line in enumerate(lines):
                number, reason = line.split(" ", 1)
                self.assertEqual(int(number), length)
                if form == "jsonl":
                    continue  # see test_cut_json_lines
                if length > 0 and length % whole_rows.get(form, 2**30) == 0:
                    self.assertEqual(reason, f"rows {length // whole_rows[form]}")
                else:
                    self.assertFalse(reason.startswith("rows"), f"{path} {line}")
                    self.assertGreater(len(reason), 10, f"{path} {line}")

    def test_cut_says_where(self):
        array = np.arange(24, dtype="float32").reshape(4, 6)
        np.save(self.path("a.npy"), array)
        formats.write_vecs(self.path("a.fvecs"), array)
        formats.write_bin(self.path("a.fbin"), array)
        lines = probe("cut", "npy", self.path("a.npy")).stdout.decode().splitlines()
        self.assertEqual(lines[180], "180 truncated: row 2 of 4 is 24 bytes from byte 176 on, the file ends at 180")
        lines = probe("cut", "fvecs", self.path("a.fvecs")).stdout.decode().splitlines()
        self.assertEqual(lines[30], "30 truncated: row 1 of 2 is 28 bytes from byte 28 on, the file ends at 30")
        lines = probe("cut", "fbin", self.path("a.fbin")).stdout.decode().splitlines()
        self.assertEqual(lines[5], "5 truncated: the header is 8 bytes from byte 0 on, the file ends at 5")
        self.assertEqual(lines[31], "31 truncated: row 0 of 4 is 24 bytes from byte 8 on, the file ends at 31")

    def test_cut_json_lines(self):
        array = np.arange(24, dtype="float32").reshape(4, 6)
        formats.write_lines(self.path("a.jsonl"), formats.records(array))
        with open(self.path("a.jsonl"), "rb") as file:
            data = file.read()
        for length, line in enumerate(probe("cut", "jsonl", self.path("a.jsonl")).stdout.decode().splitlines()):
            rest = data[:length].rsplit(b"\n", 1)[-1]
            if rest in (b"", data.split(b"\n")[data[:length].count(b"\n")]):
                rows = data[:length].count(b"\n") + (rest != b"")
                self.assertEqual(line, f"{length} rows {rows}")
            else:
                number = data[:length].count(b"\n")
                begin = length - len(rest)
                self.assertRegex(line, f"^{length} line {number + 1}, row {number}, byte {begin}: JSON: ")

    def test_wrong_files(self):
        array = np.arange(24, dtype="float32").reshape(4, 6)
        cases = [
            ("fortran", "npy", lambda p: np.save(p, np.asfortranarray(array)), "Fortran order"),
            ("text", "npy", lambda p: np.save(p, np.array([["a", "b"]])), "type \"<U1\""),
            ("records", "npy", lambda p: np.save(p, np.zeros(3, [("x", "f4")])), "array of records"),
            ("complex", "npy", lambda p: np.save(p, array.astype("complex64")), 'type "<c8"'),
            ("flat", "npy", lambda p: np.save(p, array.ravel()), "at least two axes"),
            ("scalar", "npy", lambda p: np.save(p, np.float32(1)), "a single number"),
            ("empty-axis", "npy", lambda p: np.save(p, np.zeros((3, 0), "f4")), "axis 2 has length 0"),
            ("wide", "npy", lambda p: np.save(p, np.zeros((1, 300000), "i1")), "more than 262144 numbers"),
            ("magic", "npy", lambda p: formats.write_bytes(p, b"PK\3\4 something else"), "no .npy file"),
            ("empty", "fvecs", lambda p: formats.write_bytes(p, b""), "truncated", "row 0's dimension", "ends at 0"),
            ("minus", "fvecs", lambda p: formats.write_bytes(p, b"\xff\xff\xff\xff1234"), "dimension -1"),
            ("long", "fbin", lambda p: formats.write_bytes(p, b"\1\0\0\0\1\0\0\0" + b"12345"), "end at byte 12",
             "goes on to byte 13"),
            ("huge", "fbin", lambda p: formats.write_bytes(p, b"\xff\xff\xff\xff\0\0\4\0"), "truncated: row 0"),
            ("idx", "idx", lambda p: formats.write_bytes(p, b"\1\0\x08\1\0\0\0\0"), "byte 0: no IDX file"),
            ("idx-type", "idx", lambda p: formats.write_bytes(p, b"\0\0\x07\1\0\0\0\0"), "byte 2: type 0x07"),
            ("idx-axes", "idx", lambda p: formats.write_bytes(p, b"\0\0\x08\x99"), "byte 3: 153 axes"),
            ("no-hdf5", "hdf5", lambda p: formats.write_bytes(p, b"no"), "cannot be opened: HDF5"),
            ("other-name", "hdf5", lambda p: formats.write_hdf5(p, array, "vectors"), 'no dataset "train"', "vectors",
             "--dataset"),
            ("strings", "hdf5", lambda p: formats.write_hdf5(p, [[b"a", b"b"]]), "no numbers"),
            ("flat-hdf5", "hdf5", lambda p: formats.write_hdf5(p, array.ravel()), "1 axes"),
        ]
        for name, form, write, *says in cases:
            path = self.path(f"{name}.npy")
            write(path)
            self.refused(form, path, *says)
        self.refused("npy", self.directory, "a directory")
        self.refused("npy", self.path("missing"), "No such file")
        self.refused("npy", "/dev/null", "not a regular file")

    def test_row_of_another_dimension(self):
        array = np.arange(24, dtype="float32").reshape(4, 6)
        formats.write_vecs(self.path("a.fvecs"), array)
        with open(self.path("a.fvecs"), "r+b") as file:
            file.seek(2 * 28)
            file.write(b"\7")
        self.refused("fvecs", self.path("a.fvecs"), "row 2, byte 56: dimension 7; 6 was expected")

    def test_damaged_gzip(self):
        formats.write_gzip(self.path("a.gz"), formats.idx_bytes(np.zeros((50, 50), "uint8")))
        with open(self.path("a.gz"), "rb") as file:
            data = bytearray(file.read())
        data[-6] ^= 1
        formats.write_bytes(self.path("a.gz"), bytes(data))
        self.refused("idx", self.path("a.gz"), "gzip: incorrect data check, behind byte ")

    def test_hdf5_stays_inside_the_file(self):
        array = np.arange(24, dtype="float32").reshape(4, 6)
        formats.write_hdf5(self.path("inner.hdf5"), array)
        with h5py.File(self.path("link.hdf5"), "w") as file:
            file["train"] = h5py.ExternalLink("inner.hdf5", "/train")
        array.tofile(self.path("raw"))
        with h5py.File(self.path("raw.hdf5"), "w") as file:
            file.create_dataset("train", array.shape, "f4", external=[(self.path("raw"), 0, 96)])
        with h5py.File(self.path("virtual.hdf5"), "w") as file:
            layout = h5py.VirtualLayout(array.shape, "f4")
            layout[:] = h5py.VirtualSource(self.path("inner.hdf5"), "train", array.shape)
            file.create_virtual_dataset("train", layout)
        self.refused("hdf5", self.path("link.hdf5"), 'no dataset "train"')
        self.refused("hdf5", self.path("raw.hdf5"), "other files")
        self.refused("hdf5", self.path("virtual.hdf5"), "other files")

    def test_npy_headers(self):
        body = np.arange(6, dtype="<f4").tobytes()
        good = [b"{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}",
                b'{"descr":"<f4","fortran_order":False,"shape":(2,3,)}\n',
                b"  { 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 2 , 3 ) , }   "]
        bad = [b"", b"{", b"{}", b"{'descr': '<f4'}", b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3)}",
               b"{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}",
               b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}",
               b"{'descr': '<f3', 'fortran_order': False, 'shape': (2, 3)}",
               b"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
               b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 3)}",
               b"{'descr': '<f4', 'fortran_order': False, 'shape': (6148914691236517206, 3)}",
               b"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,2,3)}",
               b"{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}"]
        for version, width in ((1, 2), (2, 4), (3, 4)):
            for header in good + bad:
                data = b"\x93NUMPY" + bytes([version, 0]) + len(header).to_bytes(width, "little") + header + body
                formats.write_bytes(self.path("a.npy"), data)
                if header in good:
                    self.assertEqual(self.rows(self.path("a.npy"), 3).tolist(), [[0, 1, 2], [3, 4, 5]])
                else:
                    self.refused("npy", self.path("a.npy"))

    def test_ids(self):
        def ids(pattern, *numbers):
            done = probe("ids", pattern, *numbers)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout.decode().splitlines()

        self.assertEqual(ids("%d", 0, 7, 2**64 - 1), ["0", "7", "18446744073709551615"])
        self.assertEqual(ids("img-%06d.jpg", 0, 7, 12345678), ["img-000000.jpg", "img-000007.jpg", "img-12345678.jpg"])
        self.assertEqual(ids("%3d%%", 5), ["  5%"])
        for pattern in ("", "x", "%s", "%d%d", "%n%d", "%", "%d%", "%-6d", "%999d", "%ld", "%0100000000000d", "x" * 600):
            done = probe("ids", pattern, 1)
            self.assertEqual(done.returncode, 1, pattern)
            self.assertTrue(re.search(r"%06d|512", done.stderr.decode()), done.stderr)


if __name__ == "__main__":
    unittest.main()
