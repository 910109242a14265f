"""What the Python tests of vecmuxd share: a server and a client for a whole test class, and short ways to say things."""
import unittest

import grpc
from google.protobuf.struct_pb2 import Struct

from pinecone_proto import Client, messages
from vecmuxd import Vecmuxd


def struct(fields):
    message = Struct()
    message.update(fields)
    return message


def vector(vector_id, values=(), metadata=None, sparse=None):
    message = messages.Vector(id=vector_id, values=values)
    if metadata is not None:
        message.metadata.SetInParent()
        message.metadata.update(metadata)
    if sparse is not None:
        message.sparse_values.indices.extend(sparse)
        message.sparse_values.values.extend(sparse.values())
    return message


def ids(reply):
    return [item.id for item in (reply.matches if hasattr(reply, "matches") else reply.vectors)]


def header(call, key):
    values = [value for name, value in call.initial_metadata() if name == key]
    return int(values[0]) if values else None


class ServerCase(unittest.TestCase):
    """`arguments` of the server; self.client talks to it. Tests use namespaces of their own."""

    arguments = ()
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.server = Vecmuxd(*cls.arguments)
        cls.client = Client(cls.server.target)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        code, text = cls.server.stop()
        if code != 0:
            raise AssertionError(f"vecmuxd ended with {code}: {text}")

    def refused(self, code, invoke, *says):
        """The call fails with the code and a one-line text that has each of the pieces."""
        with self.assertRaises(grpc.RpcError) as caught:
            invoke()
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        for piece in says:
            self.assertIn(piece, caught.exception.details())
        self.assertNotIn("\n", caught.exception.details())

    def invalid(self, invoke, *says):
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, invoke, *says)
