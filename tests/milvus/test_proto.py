"""proto/milvus against pymilvus's own generated messages."""
import sys

import published

if sys.argv[1:] != ["inside"]:
    published.rerun("milvus-lite", __file__)

from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2  # noqa: E402

THEIRS = {"common": common_pb2, "schema": schema_pb2, "milvus": milvus_pb2}
OURS = {"AnyResponse", "SegmentsEntry", "FlushTimeEntry"}  # ours alone, or what is a map on the wire
ALIASES = {"SegmentsEntry": {"CollSegIDsEntry"}, "FlushTimeEntry": {"CollFlushTsEntry"}}


def main():
    wrong, fields, methods = [], 0, 0
    for file in published.our_files("milvus/milvus.proto"):
        if not file.package.startswith("milvus.proto."):
            continue
        theirs = THEIRS[file.package.rsplit(".", 1)[1]]
        for message in file.message_type:
            if message.name not in OURS:
                found, count = published.differences(message, getattr(theirs, message.name).DESCRIPTOR, ALIASES)
                wrong += found
                fields += count
        for service in file.service:
            known = {m.name: m for m in theirs.DESCRIPTOR.services_by_name[service.name].methods}
            for method in service.method:
                names = known[method.name].input_type.full_name, known[method.name].output_type.full_name
                if names != (method.input_type[1:], method.output_type[1:]):
                    wrong.append(f"rpc {method.name}: {names}")
                methods += 1
    print("\n".join(wrong) or f"{fields} fields and {methods} RPCs are pymilvus's")
    return 1 if wrong or fields < 100 or methods < 15 else 0


sys.exit(main())
