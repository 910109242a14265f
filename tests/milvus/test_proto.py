"""proto/milvus against pymilvus's own generated messages: every field of ours has the number, the type and the label that
theirs has, and bytes of one are the same message to the other. Run by pymilvus's Python, out of the server's virtualenv."""
import os
import subprocess
import sys
import tempfile

SOURCE = os.environ["VMX_SOURCE_DIR"]
VENV = os.path.join(os.environ.get("VECMUX_CACHE", os.path.join(SOURCE, ".cache")), "milvus-lite", "bin", "python")


def rerun():
    """As the interpreter that has pymilvus."""
    if os.environ.get("VMX_SERVERS_SKIP"):
        print(os.environ["VMX_SERVERS_SKIP"])
        sys.exit(77)
    installed = subprocess.run([os.path.join(SOURCE, "scripts", "servers", "milvus-lite.sh"), "install"],
                               stderr=subprocess.PIPE, text=True)
    if installed.returncode != 0:
        print(installed.stderr.strip().splitlines()[-1])
        sys.exit(installed.returncode)
    sys.exit(subprocess.run([VENV, __file__, "inside"]).returncode)


def our_files():
    from google.protobuf import descriptor_pb2
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "set")
        subprocess.run(["protoc", "-I", os.path.join(SOURCE, "proto"), "-I", "/usr/include", "--include_imports",
                        f"--descriptor_set_out={path}", "milvus/milvus.proto"], check=True)
        with open(path, "rb") as file:
            return descriptor_pb2.FileDescriptorSet.FromString(file.read()).file


# Ours alone, or of another kind that is the same on the wire.
OURS = {"AnyResponse", "SegmentsEntry", "FlushTimeEntry"}


def compatible(ours, theirs):
    from google.protobuf.descriptor import FieldDescriptor as F
    repeated = ours.label == 3
    if repeated != theirs.is_repeated:
        return False
    if ours.type == theirs.type:
        return True
    return ours.type == F.TYPE_INT32 and theirs.type == F.TYPE_ENUM


def compare(message, theirs, package, wrong):
    checked = 0
    for field in message.field:
        other = theirs.fields_by_number.get(field.number)
        name = f"{package}.{message.name}.{field.name}"
        if other is None or other.name != field.name or not compatible(field, other):
            wrong.append(f"{name} = {field.number}: theirs is {other and (other.name, other.number, other.type)}")
        checked += 1
    return checked


def main():
    from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2
    theirs = {"common": common_pb2, "schema": schema_pb2, "milvus": milvus_pb2}
    wrong, fields, methods = [], 0, 0
    for file in our_files():
        if not file.package.startswith("milvus.proto."):
            continue
        part = file.package.rsplit(".", 1)[1]
        for message in file.message_type:
            if message.name in OURS:
                continue
            descriptor = getattr(theirs[part], message.name).DESCRIPTOR
            if descriptor.full_name != f"{file.package}.{message.name}":
                wrong.append(f"{descriptor.full_name} is not {file.package}.{message.name}")
            fields += compare(message, descriptor, file.package, wrong)
        for service in file.service:
            known = {m.name: m for m in theirs[part].DESCRIPTOR.services_by_name[service.name].methods}
            for method in service.method:
                same = (known[method.name].input_type.full_name == method.input_type[1:] and
                        known[method.name].output_type.full_name == method.output_type[1:])
                if not same:
                    wrong.append(f"rpc {method.name}: {known[method.name].input_type.full_name}")
                methods += 1
    print("\n".join(wrong) or f"{fields} fields and {methods} RPCs are pymilvus's")
    return 1 if wrong or fields < 100 or methods < 15 else 0


if __name__ == "__main__":
    sys.exit(main() if sys.argv[1:] == ["inside"] else rerun())
