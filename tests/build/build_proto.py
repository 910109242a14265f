"""Python messages of proto/vecmux/{repository,build}.proto, compiled by protoc when this is first imported."""
import atexit
import importlib
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("VMX_SOURCE_DIR") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def compile_messages():
    directory = tempfile.mkdtemp(prefix="vecmux-proto-")
    atexit.register(shutil.rmtree, directory, True)
    subprocess.run(["protoc", "-I", os.path.join(SOURCE, "proto"), "-I", "/usr/include", f"--python_out={directory}",
                    "vecmux/repository.proto", "vecmux/build.proto", "protobuf-c/protobuf-c.proto"], check=True)
    sys.path.insert(0, directory)
    try:
        return importlib.import_module("vecmux.repository_pb2"), importlib.import_module("vecmux.build_pb2")
    finally:
        sys.path.remove(directory)


repository, build = compile_messages()
