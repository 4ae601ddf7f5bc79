"""The frames of the protocol as the bare loop and the raw ping-pong write them: no checks, one action, no blobs."""

from __future__ import annotations

import struct

MAGIC = 19749
VERSION = 1
OK = 0
ACTION = b"Bench.add"
ACTION_WORD = 1 << 31 | len(ACTION)
ACTION_LEN_MASK = (1 << 31) - 1

REQUEST_HEAD_BYTES = 32
RESPONSE_HEAD_BYTES = 20

pack_request = struct.Struct(f"<HBBIQQII{len(ACTION)}s").pack
"""(MAGIC, VERSION, 0, ACTION_WORD, seq, client_id, msg_len, blob_len, ACTION) → head and action; the msg follows."""
pack_response = struct.Struct("<HBBIQi").pack
"""(MAGIC, VERSION, flag, msg_len, seq, blob_len) → head; the msg follows."""

parse_request = struct.Struct("<4xIQ8xI4x").unpack_from
"""(data, offset) → (action word, seq, msg_len)."""
parse_response = struct.Struct("<4xIQ4x").unpack_from
"""(data, offset) → (msg_len, seq)."""

pack_blob_request = struct.Struct("<HBBIQQII").pack
"""(MAGIC, VERSION, 0, numeric action, seq, client_id, msg_len, blob_len) → head; msg and blob follow."""
parse_blob_request = struct.Struct("<4xIQ8xII").unpack_from
"""(data, offset) → (action, seq, msg_len, blob_len)."""
parse_blob_response = struct.Struct("<4xIQi").unpack_from
"""(data, offset) → (msg_len, seq, blob_len)."""
ECHO, PUT, GET, ECHO_BYTES = 1, 2, 3, 4
"""Numeric actions: the blob comes back, is only sent, is only fetched; the msg, a msgpack bin, comes back."""
