"""proto/pinecone/vector_service.proto declares what Pinecone published: every message, field, number, type, presence and
RPC of pinecone_fields.txt, and nothing else."""
import os
import unittest

from google.protobuf.descriptor import FieldDescriptor

from pinecone_proto import SERVICE, messages, path

FILE = messages.DESCRIPTOR
SCALARS = {FieldDescriptor.TYPE_STRING: "string", FieldDescriptor.TYPE_BOOL: "bool", FieldDescriptor.TYPE_FLOAT: "float",
           FieldDescriptor.TYPE_UINT32: "uint32", FieldDescriptor.TYPE_INT32: "int32",
           FieldDescriptor.TYPE_UINT64: "uint64"}


def read_table():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pinecone_fields.txt"), encoding="utf-8") as file:
        rows = [line.split() for line in file if line.strip() and not line.startswith("#")]
    return ([tuple(row) for row in rows if row[0] != "rpc"], [tuple(row[1:]) for row in rows if row[0] == "rpc"])


def type_of(field):
    if field.message_type is None:
        return SCALARS[field.type]
    if field.message_type.GetOptions().map_entry:
        key, value = field.message_type.fields
        return f"map<{type_of(key)},{type_of(value)}>"
    return field.message_type.full_name


def is_alone_in_a_oneof(field):
    """How our file writes `optional` of a scalar: the same bytes and the same presence."""
    return field.containing_oneof is not None and len(field.containing_oneof.fields) == 1


def label_of(field):
    """The labels of the table that the declaration agrees with."""
    if field.label == FieldDescriptor.LABEL_REPEATED:
        return {"map"} if type_of(field).startswith("map<") else {"rep"}
    if field.containing_oneof is not None and not is_alone_in_a_oneof(field):
        return {"oneof-" + field.containing_oneof.name}
    if field.message_type is not None:
        return {"opt", "sing-msg"}
    return {"opt"} if is_alone_in_a_oneof(field) else {"sing"}


class Table(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.fields, self.rpcs = read_table()

    def test_the_table_is_whole(self):
        self.assertEqual((len(self.fields), len(self.rpcs)), (105, 12))

    def test_fields(self):
        declared = {}
        for name, message in FILE.message_types_by_name.items():
            for field in message.fields:
                declared[(name, field.name, str(field.number), type_of(field))] = label_of(field)
            if not message.fields:
                declared[(name, "-", "-", "-")] = {"-"}
        self.assertEqual(sorted(declared), sorted(row[:4] for row in self.fields))
        for row in self.fields:
            self.assertIn(row[4], declared[row[:4]], row)

    def test_repeated_numbers_are_packed(self):
        for message in FILE.message_types_by_name.values():
            for field in message.fields:
                options = field.GetOptions()
                self.assertFalse(options.HasField("packed") and not options.packed, field.full_name)
        self.assertEqual(FILE.syntax, "proto3")

    def test_rpcs(self):
        self.assertEqual(FILE.package, "")
        methods = FILE.services_by_name[SERVICE].methods
        self.assertEqual(sorted((path(m.name), m.input_type.name, m.output_type.name) for m in methods),
                         sorted(self.rpcs))
        for method in methods:
            self.assertFalse(getattr(method, "client_streaming", False) or getattr(method, "server_streaming", False))


if __name__ == "__main__":
    unittest.main()
