"""Arrow streams through the Python binding: a producer of our own by ctypes, and pyarrow, pandas and Polars where they are
installed. usage: test_arrow.py, with the environment of CMakeLists.txt; the sanitizers as in test_asyncio.py
"""
import ctypes
import importlib.util
import os
import unittest

import numpy

from test_asyncio import LIBRARY, preload
from vecmuxd import Vecmuxd


class Schema(ctypes.Structure):
    pass


class Array(ctypes.Structure):
    pass


class Stream(ctypes.Structure):
    pass


SCHEMA_RELEASE = ctypes.CFUNCTYPE(None, ctypes.POINTER(Schema))
ARRAY_RELEASE = ctypes.CFUNCTYPE(None, ctypes.POINTER(Array))
STREAM_RELEASE = ctypes.CFUNCTYPE(None, ctypes.POINTER(Stream))
GET_SCHEMA = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Schema))
GET_NEXT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Array))
Schema._fields_ = [("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p),
                   ("flags", ctypes.c_int64), ("n_children", ctypes.c_int64),
                   ("children", ctypes.POINTER(ctypes.POINTER(Schema))), ("dictionary", ctypes.POINTER(Schema)),
                   ("release", SCHEMA_RELEASE), ("private_data", ctypes.c_void_p)]
Array._fields_ = [("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
                  ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64),
                  ("buffers", ctypes.POINTER(ctypes.c_void_p)), ("children", ctypes.POINTER(ctypes.POINTER(Array))),
                  ("dictionary", ctypes.POINTER(Array)), ("release", ARRAY_RELEASE),
                  ("private_data", ctypes.c_void_p)]
Stream._fields_ = [("get_schema", GET_SCHEMA), ("get_next", GET_NEXT), ("get_last_error", ctypes.c_void_p),
                   ("release", STREAM_RELEASE), ("private_data", ctypes.c_void_p)]


class Table:
    """Ids 0... and a matrix, in batches, by __arrow_c_stream__."""

    def __init__(self, matrix, batch_rows):
        self.matrix = numpy.ascontiguousarray(matrix, dtype=numpy.float32)
        self.ids = numpy.arange(len(matrix), dtype=numpy.int64)
        self.batch_rows, self.at, self.released, self.kept = batch_rows, 0, 0, []
        self.release_schema = SCHEMA_RELEASE(self._release)
        self.release_array = ARRAY_RELEASE(self._release)
        self.stream = Stream(GET_SCHEMA(self._get_schema), GET_NEXT(self._get_next), None,
                             STREAM_RELEASE(self._release))

    def __arrow_c_stream__(self, requested_schema=None):
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return new(ctypes.addressof(self.stream), b"arrow_array_stream", None)

    def _release(self, what):
        field = type(what.contents).release
        ctypes.memset(ctypes.addressof(what.contents) + field.offset, 0, ctypes.sizeof(ctypes.c_void_p))
        self.released += 1

    def _children(self, kind, children):
        pointers = (ctypes.POINTER(kind) * len(children))(*map(ctypes.pointer, children))
        self.kept += [children, pointers]
        return pointers

    def _schema(self, form, name, children=()):
        return Schema(form, name, None, 0, len(children), self._children(Schema, children), None, self.release_schema)

    def _array(self, length, buffers, children=()):
        pointers = (ctypes.c_void_p * len(buffers))(*buffers)
        self.kept.append(pointers)
        return Array(length, 0, 0, len(buffers), len(children), pointers, self._children(Array, children), None,
                     self.release_array)

    def _get_schema(self, _stream, out):
        vector = self._schema(f"+w:{self.matrix.shape[1]}".encode(), b"values", [self._schema(b"f", b"item")])
        out[0] = self._schema(b"+s", b"", [self._schema(b"l", b"id"), vector])
        return 0

    def _get_next(self, _stream, out):
        rows = min(self.batch_rows, len(self.ids) - self.at)
        if rows == 0:
            ctypes.memset(out, 0, ctypes.sizeof(Array))
            return 0
        ids = self._array(rows, [None, self.ids[self.at:].ctypes.data])
        items = self._array(rows * self.matrix.shape[1], [None, self.matrix[self.at:].ctypes.data])
        out[0] = self._array(rows, [None], [ids, self._array(rows, [None], [items])])
        self.at += rows
        return 0


def installed(*names):
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return unittest.skipIf(missing, f"SKIP: this Python has no {', '.join(missing)}")


class Arrow(unittest.TestCase):
    def setUp(self):
        from vecmux import Client
        self.server = Vecmuxd("--metric", "euclidean")
        self.client = Client(self.server.target, LIBRARY)
        self.addCleanup(self.server.stop)
        self.addCleanup(self.client.close)
        self.matrix = numpy.random.default_rng(1).random((1000, 16), dtype=numpy.float32)

    def expect_found(self, metadata=None):
        for row in (0, 500, 999):
            best = self.client.query(self.matrix[row].tolist(), top_k=1)[0]
            self.assertEqual(best.id, str(row))
            self.assertEqual(best.metadata, metadata(row) if metadata else None)

    def test_a_producer_of_our_own(self):
        table = Table(self.matrix, 300)
        self.assertEqual(self.client.put_arrow(table), (1000, 0))
        self.assertEqual(table.released, 6)  # the stream, its schema, four arrays
        self.expect_found()

    def test_an_error_names_the_column(self):
        from vecmux import Error
        with self.assertRaisesRegex(Error, 'no column "embedding" in the record batch; set vector_column'):
            self.client.put_arrow(Table(self.matrix, 300), vector_column="embedding")

    @installed("pyarrow")
    def test_pyarrow(self):
        import pyarrow
        for kind in (pyarrow.list_(pyarrow.float32(), 16), pyarrow.list_(pyarrow.float64()),
                     pyarrow.large_list(pyarrow.float16())):
            rows = [list(row) for row in self.matrix.astype(kind.value_type.to_pandas_dtype())]
            table = pyarrow.table({
                "name": pyarrow.array([str(i) for i in range(1000)]).dictionary_encode(),
                "embedding": pyarrow.array(rows, kind),
                "n": pyarrow.array([None if i == 0 else i for i in range(1000)]),
                "tags": pyarrow.array([["a", str(i)] for i in range(1000)]),
            })
            put = self.client.put_arrow(table, id_column="name", vector_column="embedding")
            self.assertEqual(put, (1000, 0))
            self.expect_found(lambda i: {"tags": ["a", str(i)], **({"n": i} if i else {})})

    @installed("polars")
    def test_polars(self):
        import polars
        frame = polars.DataFrame({
            "id": [str(i) for i in range(1000)],
            "values": polars.Series(self.matrix.tolist(), dtype=polars.Array(polars.Float32, 16)),
            "title": [f"a title that is longer than twelve bytes, {i}" for i in range(1000)],
        })
        self.assertEqual(self.client.put_arrow(frame), (1000, 0))
        self.expect_found(lambda i: {"title": f"a title that is longer than twelve bytes, {i}"})

    @installed("pandas", "pyarrow")
    def test_pandas(self):
        import pandas
        frame = pandas.DataFrame({"id": range(1000), "values": list(self.matrix), "even": [i % 2 == 0 for i in range(1000)]})
        self.assertEqual(self.client.put_arrow(frame), (1000, 0))
        self.expect_found(lambda i: {"even": i % 2 == 0})


if __name__ == "__main__":
    preload()
    unittest.main()
