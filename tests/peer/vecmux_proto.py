"""Python messages of proto/vecmux/*.proto, and a plain client for both services.

    from vecmux_proto import Client, build, repository
    with Client("127.0.0.1:5081") as client:
        client.BeginUpload(name="a", total_bytes=5)
        client.WritePart(iterator of repository.WritePartRequest)
        for message in client.ReadRange(name="a"): ...

The messages are compiled by protoc when this module is first imported, as in pinecone_proto.py.
"""
import atexit
import importlib
import os
import shutil
import subprocess
import sys
import tempfile

import grpc

SOURCE = os.environ.get("VMX_SOURCE_DIR") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SLOW = float(os.environ.get("VMX_TEST_SLOW", "1"))
MAX_MESSAGE_BYTES = 128 << 20
SERVICES = {"repository": "VectorRepository", "build": "IndexBuild"}


def compile_messages():
    directory = tempfile.mkdtemp(prefix="vecmux-proto-")
    atexit.register(shutil.rmtree, directory, True)
    files = [f"vecmux/{name}.proto" for name in SERVICES]
    subprocess.run(["protoc", "-I", os.path.join(SOURCE, "proto"), "-I", "/usr/include", f"--python_out={directory}",
                    *files, "protobuf-c/protobuf-c.proto"], check=True)
    sys.path.insert(0, directory)
    try:
        return [importlib.import_module(f"vecmux.{name}_pb2") for name in SERVICES]
    finally:
        sys.path.remove(directory)


repository, build = compile_messages()


class Client:
    """client.<Rpc>(request or fields) gives the reply, or an iterator of replies, or raises grpc.RpcError."""

    def __init__(self, target, metadata=(), timeout_s=60):
        self.channel = grpc.insecure_channel(target, [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                                                      ("grpc.enable_http_proxy", 0),
                                                      ("grpc.use_local_subchannel_pool", 1)])
        self.metadata = tuple(metadata)
        self.timeout_s = timeout_s * SLOW
        for module in (repository, build):
            package = module.DESCRIPTOR.package
            for service in module.DESCRIPTOR.services_by_name.values():
                for method in service.methods:
                    setattr(self, method.name, self._bind(package, service.name, method))

    def _bind(self, package, service, method):
        request = method.input_type._concrete_class
        reply = method.output_type._concrete_class
        streams = (method.name == "WritePart", method.name in ("ReadRange", "WatchBuild"))
        make = {(False, False): self.channel.unary_unary, (True, False): self.channel.stream_unary,
                (False, True): self.channel.unary_stream}[streams]
        call = make(f"/{package}.{service}/{method.name}", request.SerializeToString, reply.FromString)

        def invoke(message=None, timeout_s=None, **fields):
            return call(message if message is not None else request(**fields), timeout=timeout_s or self.timeout_s,
                        metadata=self.metadata)
        return invoke

    def close(self):
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
