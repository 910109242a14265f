"""What the tests of uploads and builds share: digests computed a second time, parts, and whole uploads."""
import hashlib
import struct

from vecmux_proto import repository

CRC32C, SHA256 = repository.DIGEST_ALGORITHM_CRC32C, repository.DIGEST_ALGORITHM_SHA256


def _table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = _table()


def crc32c(data, value=0):
    value ^= 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def digest(algorithm, data):
    return hashlib.sha256(data).digest() if algorithm == SHA256 else struct.pack(">I", crc32c(data))


def parts_of(data, part_bytes):
    return [data[at:at + part_bytes] for at in range(0, len(data), part_bytes)]


def blob_digest(algorithm, data, part_bytes):
    return digest(algorithm, b"".join(digest(algorithm, part) for part in parts_of(data, part_bytes)))


def write(upload_id, number, data, offset=0, chunk_bytes=65536, end=None, checked=True):
    """The messages that write `data` (the whole part) from `offset` on; `end` is the digest to end with."""
    yield repository.WritePartRequest(header=dict(upload_id=upload_id, part_number=number, offset=offset))
    for at in range(offset, len(data), chunk_bytes):
        chunk = repository.Chunk(data=data[at:at + chunk_bytes])
        if checked:
            chunk.crc32c = crc32c(data[:at + chunk_bytes])
        yield repository.WritePartRequest(chunk=chunk)
    if end is not None:
        yield repository.WritePartRequest(end=dict(digest=end))


def upload(client, name, data, part_bytes=1 << 20, algorithm=SHA256, key="", replace=False):
    """A whole blob; gives what CompleteUpload answers."""
    begun = client.BeginUpload(name=name, total_bytes=len(data), part_bytes=part_bytes, digest=algorithm,
                               upload_key=key, replace=replace).upload
    for number, part in enumerate(parts_of(data, part_bytes)):
        client.WritePart(write(begun.upload_id, number, part, end=digest(algorithm, part), checked=False,
                               chunk_bytes=1 << 20))
    return client.CompleteUpload(upload_id=begun.upload_id, digest=blob_digest(algorithm, data, part_bytes))


def read(client, name, form=repository.FORM_FULL, **fields):
    """A range's bytes; its chunks must follow each other."""
    data = bytearray()
    begin = fields.get("offset", 0)
    for message in client.ReadRange(name=name, form=form, **fields):
        assert message.offset == begin + len(data), (message.offset, begin, len(data))
        data += message.data
    return bytes(data)
