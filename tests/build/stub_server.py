"""A build server in a hundred lines: repository and builder in memory, with faults on demand. It shares nothing with
vecmuxd but the .proto files, and checks digests with a CRC-32C of its own.

    with StubServer() as server:
        server.faults["WritePart"] = [fault, ...]      # each is called once, first come first served, as fault(context)
        ... server.address ...
"""
import collections
import hashlib
import struct
import threading
import time
from concurrent import futures

import faiss
import grpc
import numpy as np

from build_proto import build as pb
from build_proto import repository as rp

REPOSITORY = "vecmux.repository.v1.VectorRepository"
BUILD = "vecmux.build.v1.IndexBuild"
SHA256 = rp.DIGEST_ALGORITHM_SHA256

TABLE = []
for number in range(256):
    for _ in range(8):
        number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
    TABLE.append(number)


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def digest(algorithm, data):
    return hashlib.sha256(data).digest() if algorithm == SHA256 else struct.pack(">I", crc32c(data))


class Blob:
    def __init__(self, name, forms, part_bytes, algorithm, storage=None):
        self.forms = forms
        self.message = rp.Blob(name=name, part_bytes=part_bytes, digest_algorithm=algorithm, storage=storage)
        for form, data in forms.items():
            parts = [digest(algorithm, data[at : at + part_bytes]) for at in range(0, len(data), part_bytes)]
            self.message.forms.add(form=form, total_bytes=len(data), part_digests=parts,
                                   digest=digest(algorithm, b"".join(parts)))


class Upload:
    def __init__(self, request, upload_id):
        self.request, self.id = request, upload_id
        self.algorithm = request.digest or rp.DIGEST_ALGORITHM_CRC32C
        self.parts = collections.defaultdict(bytearray)
        self.crcs = collections.defaultdict(int)  # of each part so far
        self.complete = set()

    def part(self, number):
        data = bytes(self.parts[number])
        return rp.Part(part_number=number, confirmed_bytes=len(data), digest=digest(self.algorithm, data),
                       complete=number in self.complete)

    def message(self):
        return rp.Upload(upload_id=self.id, name=self.request.name, total_bytes=self.request.total_bytes,
                         part_bytes=self.request.part_bytes, digest=self.algorithm,
                         parts=[self.part(number) for number in sorted(self.parts) if self.parts[number]])


def make_index(vectors, ids, request):
    """The full form, the graph-only form, and the storage block."""
    metric = faiss.METRIC_INNER_PRODUCT if request.space_type == pb.SPACE_TYPE_INNER_PRODUCT else faiss.METRIC_L2
    dimension, half = request.dimension, request.data_type == pb.DATA_TYPE_FLOAT16
    if half:
        graph = faiss.IndexHNSWSQ(dimension, faiss.ScalarQuantizer.QT_fp16, request.m or 16, metric)
    else:
        graph = faiss.IndexHNSWFlat(dimension, request.m or 16, metric)
    graph.hnsw.efConstruction, graph.hnsw.efSearch = request.ef_construction or 100, request.ef_search or 100
    faiss.omp_set_num_threads(1)
    index = faiss.IndexIDMap(graph)
    index.train(vectors)
    index.add_with_ids(vectors, ids)
    full = faiss.serialize_index(index).tobytes()
    size, head = (2, 81) if half else (4, 45)
    length = size * len(ids) * dimension
    offset = len(full) - 8 - 8 * len(ids) - length - head
    storage = rp.StorageBlock(offset=offset, head=full[offset : offset + head], vector_bytes=length, bytes_per_value=size)
    return full, full[:offset] + b"null" + full[offset + head + length :], storage


class StubServer:
    def __init__(self, build_s=0.0):
        self.faults = collections.defaultdict(list)
        self.calls = collections.Counter()
        self.received_bytes = 0
        self.blobs, self.uploads, self.builds, self.keys = {}, {}, {}, {}
        self.build_s = build_s
        self.spoil = lambda graph: graph  # what becomes of a graph-only form before its digests are made
        self.lock = threading.RLock()
        self.server = grpc.server(futures.ThreadPoolExecutor(32))
        for service, proto in ((REPOSITORY, rp), (BUILD, pb)):
            self.server.add_generic_rpc_handlers((self.handlers(service, proto),))
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"

    def handlers(self, service, proto):
        table = {}
        for method in proto.DESCRIPTOR.services_by_name[service.split(".")[-1]].methods:
            kind = ("stream" if method.client_streaming else "unary") + "_" + (
                "stream" if method.server_streaming else "unary")
            reply = rp.Blob if method.output_type.name == "Blob" else getattr(proto, method.output_type.name)
            make = getattr(grpc, f"{kind}_rpc_method_handler")
            table[method.name] = make(self.counted(method.name, method.server_streaming),
                                      getattr(proto, method.input_type.name).FromString, reply.SerializeToString)
        return grpc.method_handlers_generic_handler(service, table)

    def counted(self, name, streams):
        def before(context):
            with self.lock:
                self.calls[name] += 1
                fault = self.faults[name].pop(0) if self.faults[name] else None
            context.fault = fault(context) if fault else None

        def unary(request, context):
            before(context)
            return getattr(self, name)(request, context)

        def stream(request, context):
            before(context)
            yield from getattr(self, name)(request, context)

        return stream if streams else unary

    def __enter__(self):
        self.server.start()
        return self

    def __exit__(self, *_):
        self.server.stop(0).wait()

    # --- repository ------------------------------------------------------------------------------------------------

    def DescribeRepository(self, request, context):
        return rp.RepositoryDescription(blob_count=len(self.blobs))

    def BeginUpload(self, request, context):
        key = request.name, request.upload_key
        if request.name in self.blobs:
            if self.blobs[request.name].key == key:
                return rp.BeginUploadResponse(blob=self.blobs[request.name].message)
            context.abort(grpc.StatusCode.ALREADY_EXISTS, "there is a blob of that name")
        for upload in self.uploads.values():
            if (upload.request.name, upload.request.upload_key) == key:
                return rp.BeginUploadResponse(upload=upload.message(), resumed=True)
        upload = Upload(request, f"{len(self.uploads) + 1:032x}")
        self.uploads[upload.id] = upload
        return rp.BeginUploadResponse(upload=upload.message())

    def WritePart(self, requests, context):
        header = next(requests).header
        upload = self.uploads[header.upload_id]
        data = upload.parts[header.part_number]
        if header.offset not in (0, len(data)):
            context.abort(grpc.StatusCode.OUT_OF_RANGE, f"part {header.part_number} has {len(data)} bytes")
        if header.offset == 0:
            data.clear()
            upload.crcs[header.part_number] = 0
        for request in requests:
            if request.HasField("chunk"):
                self.take_chunk(upload, header.part_number, request.chunk, context)
            elif request.end.digest != digest(upload.algorithm, bytes(data)):
                data.clear()
                context.abort(grpc.StatusCode.DATA_LOSS, f"part {header.part_number} has another digest")
            else:
                upload.complete.add(header.part_number)
        return rp.WritePartResponse(part=upload.part(header.part_number))

    def take_chunk(self, upload, number, chunk, context):
        data, came = upload.parts[number], chunk.data
        self.received_bytes += len(came)
        if callable(context.fault):
            came = context.fault(came, context)
        crc = crc32c(came, upload.crcs[number])
        if chunk.crc32c != crc:
            context.abort(grpc.StatusCode.DATA_LOSS, f"part {number}: a chunk has another crc32c")
        upload.crcs[number] = crc
        data.extend(came)

    def GetUpload(self, request, context):
        return self.uploads[request.upload_id].message()

    def CompleteUpload(self, request, context):
        upload = self.uploads.pop(request.upload_id)
        parts = [bytes(upload.parts[number]) for number in sorted(upload.parts)]
        whole = digest(upload.algorithm, b"".join(digest(upload.algorithm, part) for part in parts))
        if whole != request.digest:
            context.abort(grpc.StatusCode.DATA_LOSS, "the parts have another digest")
        blob = Blob(upload.request.name, {rp.FORM_FULL: b"".join(parts)}, upload.request.part_bytes, upload.algorithm)
        blob.key = upload.request.name, upload.request.upload_key
        self.blobs[upload.request.name] = blob
        return blob.message

    def AbortUpload(self, request, context):
        return rp.AbortUploadResponse(existed=self.uploads.pop(request.upload_id, None) is not None)

    def DeleteBlob(self, request, context):
        return rp.DeleteBlobResponse(existed=self.blobs.pop(request.name, None) is not None)

    def find_blob(self, name, context):
        if name not in self.blobs:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no blob {name}")
        return self.blobs[name]

    def StatBlob(self, request, context):
        return self.find_blob(request.name, context).message

    def ListBlobs(self, request, context):
        return rp.ListBlobsResponse(blobs=[blob.message for blob in self.blobs.values()])

    def ReadRange(self, request, context):
        data = self.find_blob(request.name, context).forms[request.form]
        end = request.offset + request.length
        for at in range(request.offset, end, request.chunk_bytes):
            piece = data[at : min(at + request.chunk_bytes, end)]
            if callable(context.fault):
                piece = context.fault(piece, context)
            yield piece if isinstance(piece, rp.ReadRangeResponse) else rp.ReadRangeResponse(offset=at, data=piece)

    # --- builds ----------------------------------------------------------------------------------------------------

    def DescribeBuilder(self, request, context):
        return pb.BuilderDescription(data_types=[pb.DATA_TYPE_FLOAT32, pb.DATA_TYPE_FLOAT16], library="stub")

    def TriggerBuild(self, request, context):
        key = request.tenant_id, request.idempotency_key
        job = self.builds.get(self.keys.get(key))
        if job is not None and not (request.retry_failed and job.state > pb.STATE_COMPLETED):
            return job
        build_id = job.build_id if job is not None else f"{len(self.builds) + 1:032x}"
        attempt = job.attempt + 1 if job is not None else 1
        job = pb.Build(build_id=build_id, state=pb.STATE_RUNNING, request=request, attempt=attempt,
                       vectors_total=request.doc_count, phase=pb.PHASE_BUILDING)
        self.builds[build_id] = job
        self.keys[key] = build_id
        threading.Thread(target=self.run, args=(job, context.fault), daemon=True).start()
        return job

    def run(self, job, fault):
        request = job.request
        for _ in range(int(self.build_s * 50)):
            time.sleep(0.02)
            if job.cancelling:
                job.state = pb.STATE_CANCELLED
                return
        if fault:
            job.error.CopyFrom(pb.BuildError(error_class=pb.ERROR_CLASS_NO_MEMORY, message=fault[0], retriable=fault[1]))
            job.state = pb.STATE_FAILED
            return
        if not request.HasField("in_place"):
            kind = "<f2" if request.data_type == pb.DATA_TYPE_FLOAT16 else "<f4"
            raw = self.blobs[request.vector_blob].forms[rp.FORM_FULL]
            vectors = np.frombuffer(raw, kind).astype(np.float32).reshape(request.doc_count, request.dimension)
            ids = np.arange(request.doc_count, dtype=np.int64)
            if request.doc_id_blob:
                ids = np.frombuffer(self.blobs[request.doc_id_blob].forms[rp.FORM_FULL], "<i4").astype(np.int64)
            full, graph, storage = make_index(vectors, ids, request)
            algorithm = request.result_digest or rp.DIGEST_ALGORITHM_CRC32C
            blob = Blob(request.result_blob, {rp.FORM_FULL: full, rp.FORM_GRAPH_ONLY: self.spoil(graph)}, 1 << 16, algorithm, storage)
            blob.key = None
            self.blobs[request.result_blob] = blob
            job.result.CopyFrom(blob.message)
        job.vectors_done = request.doc_count
        job.state = pb.STATE_COMPLETED

    def find(self, request, context):
        build_id = request.build_id or self.keys.get((request.tenant_id, request.idempotency_key))
        if build_id not in self.builds:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such build")
        return self.builds[build_id]

    def GetBuild(self, request, context):
        return self.find(request, context)

    def WatchBuild(self, request, context):
        job = self.builds[request.build_id]
        while job.state <= pb.STATE_RUNNING and context.is_active():
            yield job
            time.sleep(0.02)
        yield job

    def CancelBuild(self, request, context):
        self.builds[request.build_id].cancelling = True
        return self.builds[request.build_id]

    def ListBuilds(self, request, context):
        return pb.ListBuildsResponse(builds=reversed(list(self.builds.values())))
