"""A VectorService by grpcio and google.protobuf that notes what it is sent and answers what it was told to.

    with Stub() as stub:
        stub.answer("Query", messages.QueryResponse(...), initial=[("x-pinecone-max-indexed-lsn", "7")])
        ... a client calls stub.target ...
        stub.calls[0].rpc, .request, .metadata, .time_left_s

Answers to one RPC are used up in their order; without one an empty reply is given. It listens on a free loopback port,
with TLS if `credentials` (grpc.ServerCredentials) are given; with `api_key` every other key is refused. With `compression`
(grpc.Compression) it compresses its replies, asked or not.
"""
import collections
import threading
from concurrent import futures

import grpc

from pinecone_proto import MAX_MESSAGE_BYTES, REQUESTS, handler, messages

__all__ = ["Stub", "messages"]

Call = collections.namedtuple("Call", "rpc request metadata time_left_s peer")
Answer = collections.namedtuple("Answer", "reply code text initial trailing")


class Stub:
    def __init__(self, credentials=None, api_key=None, threads=8, compression=None):
        self.calls = []
        self.api_key = api_key
        self._answers = collections.defaultdict(collections.deque)
        self._lock = threading.Lock()
        self._server = grpc.server(futures.ThreadPoolExecutor(threads), options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.so_reuseport", 0)], compression=compression)
        self._server.add_generic_rpc_handlers((handler({rpc: self._responder(rpc) for rpc in REQUESTS}),))
        address = "127.0.0.1:0"
        self.port = (self._server.add_secure_port(address, credentials) if credentials
                     else self._server.add_insecure_port(address))
        self.target = f"127.0.0.1:{self.port}"
        self._server.start()

    def answer(self, rpc, reply=None, code=None, text="", initial=(), trailing=()):
        """The next answer to an RPC: a reply, or a status that is not OK."""
        self._answers[rpc].append(Answer(reply, code, text, initial, trailing))

    def take(self):
        """The calls since the last take."""
        with self._lock:
            calls, self.calls = self.calls, []
        return calls

    def _responder(self, rpc):
        def respond(request, context):
            metadata = dict(context.invocation_metadata())
            with self._lock:
                self.calls.append(Call(rpc, request, metadata, context.time_remaining(), context.peer()))
                queued = self._answers[rpc]
                answer = queued.popleft() if queued else Answer(None, None, "", (), ())
            if self.api_key is not None and metadata.get("api-key") != self.api_key:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "Invalid API Key")
            context.send_initial_metadata(answer.initial)
            context.set_trailing_metadata(answer.trailing)
            if answer.code is not None:
                context.abort(answer.code, answer.text)
            return answer.reply if answer.reply is not None else REQUESTS[rpc][1]()
        return respond

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.stop(0).wait(10)
