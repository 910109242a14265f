"""vecmux by ctypes: a thin layer over the public headers, and nothing but libvecmux.so.

    with Client("localhost:5081", library="libvecmux.so.0") as client:
        client.upsert([("a", [0.1, 0.2], {"kind": "x"})])
        client.query([0.1, 0.2], top_k=3)            # [Match(id, score, metadata)]
        client.stats()["vecmux_calls_total"]         # [{"labels": {"operation": "query", ...}, "value": 1}, ...]

In a coroutine, `await client.asynchronously(start)`: the completion comes through the queue's descriptor, which the event
loop watches; no thread waits and none of Python's code runs on a thread of the library.

    await client.asynchronously(lambda options: client.start_query([0.1, 0.2], top_k=3, options=options))

Whole tables go by the bulk writer, from whatever has __arrow_c_stream__ (pyarrow, pandas, Polars, DuckDB):

    client.put_arrow(frame, vector_column="embedding")  # Put(stored, failed)
"""
import asyncio
import collections
import ctypes
import json
from ctypes import POINTER, byref, c_bool, c_char, c_char_p, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, \
    c_uint64, c_void_p, sizeof

FOREVER = (1 << 63) - 1

Match = collections.namedtuple("Match", "id score metadata")
Put = collections.namedtuple("Put", "stored failed")


class Str(ctypes.Structure):
    _fields_ = [("ptr", c_void_p), ("len", c_size_t)]


class Floats(ctypes.Structure):
    _fields_ = [("ptr", POINTER(c_float)), ("len", c_size_t)]


class Sparse(ctypes.Structure):
    _fields_ = [("indices", POINTER(c_uint32)), ("values", POINTER(c_float)), ("len", c_size_t)]


class Vector(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("id", Str), ("values", Floats), ("sparse", Sparse), ("metadata", Str)]


class Vectors(ctypes.Structure):
    _fields_ = [("ptr", POINTER(Vector)), ("count", c_size_t), ("stride", c_size_t)]


class Query(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("dense", Floats), ("sparse", Sparse), ("id", Str), ("top_k", c_uint32),
                ("filter", Str), ("include_values", c_bool), ("include_metadata", c_bool), ("scan_factor", c_float),
                ("max_candidates", c_uint32)]


class CallOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("timeout_ms", c_int64), ("retry", c_void_p), ("queue", c_void_p),
                ("user", c_void_p), ("headers", c_void_p), ("header_count", c_size_t), ("wait_for_ready", c_int32)]


class ArrowOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("id_column", Str), ("vector_column", Str), ("metadata", c_int),
                ("metadata_column", Str), ("first_row", c_size_t), ("release", c_void_p), ("release_user", c_void_p),
                ("lend", c_bool)]


class WriterAccount(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("taken", c_uint64), ("stored", c_uint64), ("failed", c_uint64)]


class Event(ctypes.Structure):
    _fields_ = [("op", c_void_p), ("user", c_void_p), ("status", c_int)]


class ErrorRecord(ctypes.Structure):
    _fields_ = [("code", c_int), ("grpc_code", c_int32), ("outcome", c_int), ("retriable", c_bool),
                ("attempts", c_uint32), ("retry_after_ms", c_int64), ("peer", c_char * 96), ("message", c_char * 512)]


class Error(Exception):
    """A failure; `record` has its details."""

    def __init__(self, record):
        super().__init__(record.message.decode())
        self.record = record


_OUT = POINTER(c_void_p)
_PROTOTYPES = {
    "vmx_config_new": (c_void_p, []),
    "vmx_config_free": (None, [c_void_p]),
    "vmx_config_set": (c_int, [c_void_p, Str, Str, POINTER(ErrorRecord)]),
    "vmx_client_open": (c_int, [c_void_p, _OUT, POINTER(ErrorRecord)]),
    "vmx_client_close": (c_int, [c_void_p, c_int64, POINTER(ErrorRecord)]),
    "vmx_client_free": (None, [c_void_p]),
    "vmx_client_stats": (c_int, [c_void_p, _OUT, POINTER(ErrorRecord)]),
    "vmx_stats_text": (c_int, [c_void_p, c_int, POINTER(Str), POINTER(ErrorRecord)]),
    "vmx_stats_free": (None, [c_void_p]),
    "vmx_index_open": (c_int, [c_void_p, Str, Str, _OUT, POINTER(ErrorRecord)]),
    "vmx_index_free": (None, [c_void_p]),
    "vmx_index_upsert": (c_int, [c_void_p, POINTER(Vectors), POINTER(CallOptions), _OUT, POINTER(ErrorRecord)]),
    "vmx_index_query": (c_int, [c_void_p, POINTER(Query), POINTER(CallOptions), _OUT, POINTER(ErrorRecord)]),
    "vmx_vector_init": (None, [POINTER(Vector), c_size_t]),
    "vmx_query_init": (None, [POINTER(Query), c_size_t]),
    "vmx_call_options_init": (None, [POINTER(CallOptions), c_size_t]),
    "vmx_arrow_options_init": (None, [POINTER(ArrowOptions), c_size_t]),
    "vmx_writer_open": (c_int, [c_void_p, c_void_p, _OUT, POINTER(ErrorRecord)]),
    "vmx_writer_put_arrow_stream": (c_int, [c_void_p, c_void_p, POINTER(ArrowOptions), c_int64, POINTER(c_size_t),
                                            POINTER(ErrorRecord)]),
    "vmx_writer_account_init": (None, [POINTER(WriterAccount), c_size_t]),
    "vmx_writer_get_account": (None, [c_void_p, POINTER(WriterAccount)]),
    "vmx_writer_close": (c_int, [c_void_p, c_int64, POINTER(ErrorRecord)]),
    "vmx_writer_free": (None, [c_void_p]),
    "vmx_queue_new": (c_int, [c_void_p, _OUT, POINTER(ErrorRecord)]),
    "vmx_queue_poll": (c_size_t, [c_void_p, POINTER(Event), c_size_t, c_int64]),
    "vmx_queue_fd": (c_int, [c_void_p]),
    "vmx_queue_free": (None, [c_void_p]),
    "vmx_op_wait": (c_int, [c_void_p, c_int64]),
    "vmx_op_free": (None, [c_void_p]),
    "vmx_op_name": (c_char_p, [c_void_p]),
    "vmx_op_status": (c_int, [c_void_p]),
    "vmx_op_error": (POINTER(ErrorRecord), [c_void_p]),
    "vmx_op_count": (c_bool, [c_void_p, POINTER(c_uint64)]),
    "vmx_op_match_count": (c_size_t, [c_void_p]),
    "vmx_op_match_id": (Str, [c_void_p, c_size_t]),
    "vmx_op_match_score": (c_float, [c_void_p, c_size_t]),
    "vmx_op_match_metadata": (Str, [c_void_p, c_size_t]),
}


def _load(path):
    library = ctypes.CDLL(path)
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _floats(values):
    return Floats((c_float * len(values))(*values), len(values))


def _capsule_pointer(capsule, name):
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = c_void_p, [ctypes.py_object, c_char_p]
    return get(capsule, name)


class Client:
    """A client with one index handle (namespace "") and one queue. For one thread, or one event loop."""

    def __init__(self, endpoint, library="libvecmux.so.0", namespace="", **properties):
        self._vmx = _load(library)
        self._kept = []  # what the structs of the call being started point to
        self._waiting = {}
        self._client, self._index, self._queue = c_void_p(), c_void_p(), c_void_p()
        config = self._vmx.vmx_config_new()
        try:
            for name, value in {"endpoint": endpoint, **properties}.items():
                self._check(self._vmx.vmx_config_set, config, self._str(name), self._str(str(value)))
            self._check(self._vmx.vmx_client_open, config, byref(self._client))
        finally:
            self._vmx.vmx_config_free(config)
        self._check(self._vmx.vmx_index_open, self._client, self._str(""), self._str(namespace), byref(self._index))
        self._check(self._vmx.vmx_queue_new, self._client, byref(self._queue))
        self._kept.clear()

    def close(self, timeout_ms=10000):
        """May be called again; nothing else may."""
        client, self._client = self._client, c_void_p()
        if not client:
            return
        self._vmx.vmx_queue_free(self._queue)
        self._vmx.vmx_index_free(self._index)
        try:
            self._check(self._vmx.vmx_client_close, client, timeout_ms)
        finally:
            self._vmx.vmx_client_free(client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- starting: gives an op ---

    def start_upsert(self, records, options=None):
        """`records` are (id, values, metadata or None)."""
        vectors = (Vector * len(records))()
        for vector, (name, values, metadata) in zip(vectors, records):
            self._vmx.vmx_vector_init(byref(vector), sizeof(Vector))
            vector.id, vector.values = self._str(name), _floats(values)
            if metadata is not None:
                vector.metadata = self._str(json.dumps(metadata))
        return self._start(self._vmx.vmx_index_upsert, Vectors(vectors, len(records), 0), options)

    def start_query(self, values, top_k, filter=None, options=None):
        query = Query()
        self._vmx.vmx_query_init(byref(query), sizeof(Query))
        query.dense, query.top_k, query.include_metadata = _floats(values), top_k, True
        if filter is not None:
            query.filter = self._str(json.dumps(filter))
        return self._start(self._vmx.vmx_index_query, query, options)

    def options(self, timeout_ms=0, to_queue=True):
        self._check_open()
        options = CallOptions()
        self._vmx.vmx_call_options_init(byref(options), sizeof(CallOptions))
        options.timeout_ms = timeout_ms
        options.queue = self._queue if to_queue else None
        return options

    # --- finishing: waits, gives the result, frees the op ---

    def upsert(self, records):
        return self._finish(self.start_upsert(records))

    def query(self, values, top_k, filter=None):
        return self._finish(self.start_query(values, top_k, filter))

    # --- bulk ---

    def put_arrow(self, data, id_column="", vector_column="", metadata_column="", metadata=True, timeout_ms=FOREVER):
        """Upserts every row of `data`, which has __arrow_c_stream__. Metadata is every other column, or one column of
        JSON (metadata_column), or none (metadata=False). Gives how many were stored and how many the server refused."""
        self._check_open()
        options = ArrowOptions()
        self._vmx.vmx_arrow_options_init(byref(options), sizeof(ArrowOptions))
        options.id_column, options.vector_column = self._str(id_column), self._str(vector_column)
        options.metadata_column = self._str(metadata_column)
        options.metadata = 2 if not metadata else 1 if metadata_column else 0
        capsule = data.__arrow_c_stream__()
        stream = _capsule_pointer(capsule, b"arrow_array_stream")
        writer, taken, account = c_void_p(), c_size_t(), WriterAccount()
        self._check(self._vmx.vmx_writer_open, self._index, None, byref(writer))
        try:
            self._check(self._vmx.vmx_writer_put_arrow_stream, writer, stream, byref(options), timeout_ms,
                        byref(taken))
            self._check(self._vmx.vmx_writer_close, writer, timeout_ms)
            self._vmx.vmx_writer_account_init(byref(account), sizeof(WriterAccount))
            self._vmx.vmx_writer_get_account(writer, byref(account))
        finally:
            self._kept.clear()
            self._vmx.vmx_writer_close(writer, timeout_ms, None)  # what was taken before an error is delivered
            self._vmx.vmx_writer_free(writer)
        return Put(account.stored, account.failed)

    # --- looking ---

    def stats(self):
        """What the client counts, by docs/STATISTICS.md: {name: [{"labels": {...}, "value": ...}, ...]}."""
        self._check_open()
        stats, text = c_void_p(), Str()
        self._check(self._vmx.vmx_client_stats, self._client, byref(stats))
        try:
            self._check(self._vmx.vmx_stats_text, stats, 0, byref(text))
            return json.loads(self._text(text))
        finally:
            self._vmx.vmx_stats_free(stats)

    async def asynchronously(self, start):
        """Awaits the op that start(options) gives, by the queue's descriptor."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        op = start(self.options())
        if not self._waiting:
            loop.add_reader(self._vmx.vmx_queue_fd(self._queue), self._take_events, loop)
        self._waiting[op.value] = future
        try:
            return await future
        finally:
            if self._waiting.pop(op.value, None):  # nobody waits any more: freed, it is cancelled and gives no event
                self._vmx.vmx_op_free(op)
                self._stop_reading(loop)

    def _take_events(self, loop):
        events = (Event * 64)()
        for event in events[:self._vmx.vmx_queue_poll(self._queue, events, 64, 0)]:
            future = self._waiting.pop(event.op)
            try:
                result = self._result(c_void_p(event.op))
            except Exception as error:  # whatever it is, it belongs to who waits
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():  # it may have been cancelled a moment ago
                    future.set_result(result)
        self._stop_reading(loop)

    def _stop_reading(self, loop):
        if not self._waiting:
            loop.remove_reader(self._vmx.vmx_queue_fd(self._queue))

    # --- inside ---

    def _check_open(self):
        if not self._client:
            raise ValueError("the client is closed")

    def _str(self, text):
        data = text.encode()
        self._kept.append(data)
        return Str(ctypes.cast(c_char_p(data), c_void_p), len(data))

    def _check(self, function, *arguments):
        record = ErrorRecord()
        if function(*arguments, byref(record)) != 0:
            raise Error(record)

    def _start(self, function, what, options):
        self._check_open()
        op = c_void_p()
        try:
            self._check(function, self._index, byref(what), byref(options) if options is not None else None, byref(op))
        finally:
            self._kept.clear()
        return op

    def _finish(self, op):
        self._vmx.vmx_op_wait(op, FOREVER)
        return self._result(op)

    def _result(self, op):
        try:
            if self._vmx.vmx_op_status(op) != 0:
                record = ErrorRecord()
                ctypes.pointer(record)[0] = self._vmx.vmx_op_error(op)[0]
                raise Error(record)
            count = c_uint64()
            if self._vmx.vmx_op_count(op, byref(count)):
                return count.value
            return [self._match(op, i) for i in range(self._vmx.vmx_op_match_count(op))]
        finally:
            self._vmx.vmx_op_free(op)

    def _match(self, op, i):
        metadata = self._text(self._vmx.vmx_op_match_metadata(op, i))
        return Match(self._text(self._vmx.vmx_op_match_id(op, i)), self._vmx.vmx_op_match_score(op, i),
                     json.loads(metadata) if metadata is not None else None)

    @staticmethod
    def _text(text):
        return ctypes.string_at(text.ptr, text.len).decode() if text.ptr else None
