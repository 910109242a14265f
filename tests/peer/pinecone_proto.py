"""Python messages of proto/pinecone/vector_service.proto, and a plain client for it.

    from pinecone_proto import messages, Client
    with Client("127.0.0.1:5081") as client:
        client.Upsert(messages.UpsertRequest(vectors=[...]))

The messages are compiled by protoc into a temporary directory when this module is first imported: an implementation that
shares nothing with ours but the .proto file. VMX_SOURCE_DIR names the source tree (default: two folders up).
REQUESTS maps each RPC to its (request class, reply class); `handler` makes a stub server of them.
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
SERVICE = "VectorService"
MAX_MESSAGE_BYTES = 128 << 20


def compile_messages():
    directory = tempfile.mkdtemp(prefix="vecmux-proto-")
    atexit.register(shutil.rmtree, directory, True)
    subprocess.run(["protoc", "-I", os.path.join(SOURCE, "proto"), "-I", "/usr/include", f"--python_out={directory}",
                    "pinecone/vector_service.proto", "protobuf-c/protobuf-c.proto"], check=True)
    sys.path.insert(0, directory)
    try:
        return importlib.import_module("pinecone.vector_service_pb2")
    finally:
        sys.path.remove(directory)


messages = compile_messages()

REQUESTS = {
    method.name: (getattr(messages, method.input_type.name), getattr(messages, method.output_type.name))
    for method in messages.DESCRIPTOR.services_by_name[SERVICE].methods
}


def path(rpc):
    return f"/{SERVICE}/{rpc}"


class Client:
    """client.<Rpc>(request) gives the reply or raises grpc.RpcError. One TCP connection of its own.

    `metadata` is sent with every call; `credentials` are grpc.ChannelCredentials for TLS.
    """

    def __init__(self, target, metadata=(), credentials=None, options=(), timeout_s=60):
        options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.enable_http_proxy", 0),
                   ("grpc.use_local_subchannel_pool", 1), *options]
        self.channel = (grpc.secure_channel(target, credentials, options) if credentials
                        else grpc.insecure_channel(target, options))
        self.metadata = tuple(metadata)
        self.timeout_s = timeout_s * float(os.environ.get("VMX_TEST_SLOW", "1"))
        for rpc, (request, reply) in REQUESTS.items():
            setattr(self, rpc, self._bind(rpc, request, reply))

    def _bind(self, rpc, request, reply):
        call = self.channel.unary_unary(path(rpc), request.SerializeToString, reply.FromString)

        def invoke(message=None, **fields):
            return call(message if message is not None else request(**fields), timeout=self.timeout_s,
                        metadata=self.metadata)
        invoke.future = lambda message: call.future(message, timeout=self.timeout_s, metadata=self.metadata)
        invoke.with_call = lambda message: call.with_call(message, timeout=self.timeout_s, metadata=self.metadata)
        return invoke

    def raw(self, method_path, data):
        """Sends bytes as they are to any method; gives the reply's bytes."""
        call = self.channel.unary_unary(method_path, None, None)
        return call(data, timeout=self.timeout_s, metadata=self.metadata)

    def close(self):
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def handler(answers):
    """A grpc.GenericRpcHandler for a stub server: `answers` maps an RPC's name to answer(request, context) -> reply."""
    methods = {
        rpc: grpc.unary_unary_rpc_method_handler(answer, REQUESTS[rpc][0].FromString, REQUESTS[rpc][1].SerializeToString)
        for rpc, answer in answers.items()
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)
