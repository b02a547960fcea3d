"""TensorBoard's event files: scalars as Event messages (protocol buffers), each in a record with its checksums.

Written here because the packages that write them do so from a thread behind a bounded queue: where the disk is full the
thread dies, and the training waits for ever.
"""

import struct
from collections.abc import Mapping

# The version that makes TensorBoard heed SESSION_START.
_VERSION = b"brain.Event:2"
_SESSION_START = 1
# CRC-32C (Castagnoli), reflected.
_POLYNOMIAL = 0x82F63B78
_HEAD, _CHECK = struct.Struct("<Q"), struct.Struct("<I")


def _crc_table() -> tuple[int, ...]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)  # noqa: PLW2901
        table.append(crc)
    return tuple(table)


_TABLE = _crc_table()


def masked_crc(content: bytes) -> int:
    """Return the checksum of a record's part: CRC-32C, rotated and offset, so that it is no CRC of itself."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def beginning(time_s: float, step: int) -> bytes:
    """Return the first records of a file that goes on after a step: what earlier files drew behind it is dropped."""
    version = _event(time_s, 0) + _bytes(3, _VERSION)
    start = _event(time_s, step + 1) + _bytes(7, b"\x08" + _varint(_SESSION_START))
    return _record(version) + _record(start)


def scalars(time_s: float, step: int, values: Mapping[str, float]) -> bytes:
    """Return the record of some values at a step; TensorBoard keeps them in single precision."""
    summary = b"".join(_bytes(1, _bytes(1, tag.encode()) + b"\x15" + struct.pack("<f", v)) for tag, v in values.items())
    return _record(_event(time_s, step) + _bytes(5, summary))


def is_whole(content: bytes) -> bool:
    """Say whether a file's last record is whole, so that others may follow it."""
    at = 0
    while at + _HEAD.size <= len(content):
        (length,) = _HEAD.unpack_from(content, at)
        at += _HEAD.size + 2 * _CHECK.size + length
    return at == len(content)


def _record(event: bytes) -> bytes:
    head = _HEAD.pack(len(event))
    return head + _CHECK.pack(masked_crc(head)) + event + _CHECK.pack(masked_crc(event))


def _event(time_s: float, step: int) -> bytes:
    """Return what every Event begins with: wall time (field 1, a double) and step (field 2)."""
    return b"\x09" + struct.pack("<d", time_s) + b"\x10" + _varint(step)


def _bytes(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
