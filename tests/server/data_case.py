"""What the tests of vecmuxd --data share: a directory, servers on it, everything a client can see of an index, and the
log's format, written down a second time."""
import os
import struct as packing
import subprocess
import tempfile
import unittest

import grpc

from pinecone_proto import Client, messages
from server_case import header
from vecmuxd import SLOW, Vecmuxd, command, sanitizer_environment

FILE_HEADER = 32
FRAME_HEADER = 28
RECORD_HEADER = 8
UPSERT, DELETE, UPDATE, CREATE, DELETE_NAMESPACE, DIMENSION, LSN = range(1, 8)


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def record(kind, body):
    return packing.pack("<II", kind, len(body)) + body


def frame(offset, records, payload):
    head = packing.pack("<4sIQII", b"VFRM", records, offset, len(payload), crc32c(payload))
    return head + packing.pack("<I", crc32c(head)) + payload


def file_header(version=1, metric=0, sparse=0):
    head = packing.pack("<8sIIIII", b"vecmuxd\n", version, metric, sparse, 0, 0)
    return head + packing.pack("<I", crc32c(head))


def frames(path):
    """(offset, number of records, length with header) of each frame."""
    found = []
    with open(path, "rb") as file:
        data = file.read()
    at = FILE_HEADER
    while at < len(data):
        magic, records, offset, size = packing.unpack_from("<4sIQI", data, at)
        assert (magic, offset) == (b"VFRM", at), (at, magic, offset)
        found.append((at, records, FRAME_HEADER + size))
        at += FRAME_HEADER + size
    return found


def paged(call, **fields):
    """All replies of a listing."""
    token = None
    while True:
        reply = call(**fields, **({"pagination_token": token} if token else {}))
        yield reply
        token = reply.pagination.next
        if not token:
            return


def plain(message):
    return message.SerializeToString(deterministic=True)


def namespace_state(client, name, query):
    listed = [item.id for reply in paged(client.List, namespace=name) for item in reply.vectors]
    _, call = client.List.with_call(messages.ListRequest(namespace=name))
    fetched = {}
    for start in range(0, len(listed), 100):
        reply = client.Fetch(ids=listed[start:start + 100], namespace=name)
        fetched.update({key: plain(value) for key, value in reply.vectors.items()})
    assert sorted(fetched) == listed, (name, listed)
    matches = client.Query(namespace=name, top_k=50, include_metadata=True, **query).matches if query else []
    return (plain(client.DescribeNamespace(namespace=name)), header(call, "x-pinecone-max-indexed-lsn"), fetched,
            [plain(match) for match in matches])


def state(target, **query):
    """All that a client can see; equal for equal indexes. `query` asks each namespace."""
    with Client(target) as client:
        names = [item.name for reply in paged(client.ListNamespaces) for item in reply.namespaces]
        return (plain(client.DescribeIndexStats()), {name: namespace_state(client, name, query) for name in names})


class DataCase(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="vecmuxd-data-")
        self.addCleanup(directory.cleanup)
        self.data = os.path.join(directory.name, "data")
        self.log = os.path.join(self.data, "writes.log")

    def server(self, *arguments):
        return Vecmuxd("--data", self.data, *arguments)

    def refuses(self, *says, arguments=(), code=1):
        """vecmuxd does not start, and says all of that in one line."""
        done = subprocess.run(command("--listen", "127.0.0.1:0", "--data", self.data, *arguments), capture_output=True,
                              text=True, timeout=30 * SLOW, check=False, env=sanitizer_environment())
        self.assertEqual(done.returncode, code, done.stderr)
        for piece in says:
            self.assertIn(piece, done.stderr)
        return done.stderr

    def refused(self, code, invoke, *says):
        with self.assertRaises(grpc.RpcError) as caught:
            invoke()
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        for piece in says:
            self.assertIn(piece, caught.exception.details())

    def size(self):
        return os.path.getsize(self.log)

    def read(self):
        with open(self.log, "rb") as file:
            return file.read()

    def write(self, data):
        os.makedirs(self.data, exist_ok=True)
        with open(self.log, "wb") as file:
            file.write(data)
