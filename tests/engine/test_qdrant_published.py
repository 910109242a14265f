"""proto/qdrant, and the tables that the tests decode by, against the messages of Qdrant's own Python client."""
import sys

import published

if sys.argv[1:] != ["inside"]:
    published.rerun("qdrant-edge", __file__)

from google.protobuf import descriptor_pb2  # noqa: E402
from qdrant_client.grpc import collections_service_pb2, points_service_pb2  # noqa: E402
from qdrant_client import grpc as theirs  # noqa: E402

import qdrant_proto  # noqa: E402

# Ours: a map's entry, and one message for several of the same form.
ALIASES = {"PayloadEntry": {"FieldsEntry", "PayloadEntry"}, "PayloadNames": {"PayloadIncludeSelector",
           "PayloadExcludeSelector", "VectorsSelector"}, "Vectors": {"VectorsOutput"}, "Vector": {"VectorOutput"},
           "NamedVectors": {"NamedVectorsOutput"}}
OURS = {"PayloadEntry", "PayloadNames"}


def compare(file):
    wrong, fields = [], 0
    for message in file.message_type:
        if message.name in OURS:
            continue
        found, count = published.differences(message, getattr(theirs, message.name).DESCRIPTOR, ALIASES)
        wrong += found
        fields += count
    return wrong, fields


def compare_enums(file):
    return [f"{enum.name}.{value.name} = {value.number}" for enum in file.enum_type for value in enum.value
            if getattr(theirs, enum.name).items().count((value.name, value.number)) != 1]


def compare_services():
    wrong = []
    published_services = {s.full_name: s for file in (collections_service_pb2, points_service_pb2)
                          for s in file.DESCRIPTOR.services_by_name.values()}
    for service, rpcs in qdrant_proto.SERVICES.items():
        known = {m.name: (m.input_type.name, m.output_type.name) for m in published_services[service].methods}
        wrong += [f"{service}/{rpc}: published is {known.get(rpc)}" for rpc, names in rpcs.items() if known.get(rpc) != names]
    return wrong


def main():
    (ours,) = (file for file in published.our_files("qdrant/qdrant.proto") if file.package == "qdrant")
    table = descriptor_pb2.FileDescriptorProto()
    qdrant_proto.MESSAGES["PointId"].DESCRIPTOR.file.CopyToProto(table)
    wrong, fields = compare(ours)
    more, more_fields = compare(table)
    wrong += more + compare_enums(ours) + compare_services()
    print("\n".join(wrong) or f"{fields} fields of ours and {more_fields} of the tests' tables are Qdrant's")
    return 1 if wrong or fields < 100 or more_fields < 100 else 0


sys.exit(main())
