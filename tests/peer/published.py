"""Our messages against those that an engine's makers publish: the number, the type and the label of every field.

A test runs itself again by the Python of a server's virtual environment, which has the published messages:

    if sys.argv[1:] != ["inside"]:
        published.rerun("milvus-lite", __file__)
"""
import os
import subprocess
import sys
import tempfile

SOURCE = os.environ["VMX_SOURCE_DIR"]
CACHE = os.environ.get("VECMUX_CACHE", os.path.join(SOURCE, ".cache"))


def rerun(server, script):
    """Ends the program; skipped where the server's packages cannot be had (see servers.py)."""
    import servers
    servers.install(server)
    python = os.path.join(CACHE, server, "bin", "python")
    sys.exit(subprocess.run([python, script, "inside"], check=False).returncode)


def our_files(path):
    """The descriptors of proto/<path> and of what it imports."""
    from google.protobuf import descriptor_pb2
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, "set")
        subprocess.run(["protoc", "-I", os.path.join(SOURCE, "proto"), "-I", "/usr/include", "--include_imports",
                        f"--descriptor_set_out={out}", path], check=True)
        with open(out, "rb") as file:
            return descriptor_pb2.FileDescriptorSet.FromString(file.read()).file


def same_type(ours, theirs, aliases):
    """An enum may be an int32, and a message another of the same form."""
    kinds = (ours.type, theirs.type)
    if ours.type == ours.TYPE_MESSAGE == theirs.type:
        mine, other = ours.type_name.rsplit(".", 1)[-1], theirs.message_type.name
        return mine == other or other in aliases.get(mine, ())
    return ours.type == theirs.type or (set(kinds) <= {ours.TYPE_INT32, ours.TYPE_ENUM})


def differences(message, theirs, aliases=()):
    """What differs, in words, and how many fields were compared."""
    wrong = []
    for field in message.field:
        other = theirs.fields_by_number.get(field.number)
        good = (other is not None and other.name == field.name and same_type(field, other, dict(aliases)) and
                other.is_repeated == (field.label == field.LABEL_REPEATED))
        if not good:
            found = other and (other.name, other.type, other.message_type and other.message_type.name)
            wrong.append(f"{theirs.full_name}.{field.name} = {field.number} ({field.type_name or field.type}): "
                         f"published is {found}")
    return wrong, len(message.field)
