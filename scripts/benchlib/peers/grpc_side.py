"""grpcio with native threads: a thread pool server, a thread for each caller, one channel."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent import futures
from types import SimpleNamespace
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from benchlib.contestants import Client
from benchlib.workloads import Workload

_LIMITS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def _messages() -> dict[str, Any]:
    """Protocol buffers as protoc would make them, made at run time."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="bench.proto", package="bench", syntax="proto3")
    shapes = {
        "Pair": {"a": field.TYPE_INT64, "b": field.TYPE_INT64},
        "Sum": {"value": field.TYPE_INT64},
        "Data": {"data": field.TYPE_BYTES},
    }
    for name, fields in shapes.items():
        message = file.message_type.add(name=name)
        for number, (field_name, kind) in enumerate(fields.items(), 1):
            message.field.add(name=field_name, number=number, type=kind, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"bench.{name}")) for name in shapes}


MESSAGES = _messages()
Pair, Sum, Data = MESSAGES["Pair"], MESSAGES["Sum"], MESSAGES["Data"]


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Serve for ever."""
    handlers = {
        "add": grpc.unary_unary_rpc_method_handler(
            lambda pair, _: Sum(value=pair.a + pair.b), Pair.FromString, Sum.SerializeToString
        ),
        "echo": grpc.unary_unary_rpc_method_handler(lambda data, _: data, Data.FromString, Data.SerializeToString),
    }
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=_LIMITS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Bench", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    announce(f"tcp://127.0.0.1:{port}")
    while True:
        time.sleep(3600)


def connect(address: str, workload: Workload, threads: bool = True) -> Client:
    """One channel for all."""
    channel = grpc.insecure_channel(address.removeprefix("tcp://"), options=_LIMITS)
    add = channel.unary_unary("/bench.Bench/add", Pair.SerializeToString, Sum.FromString)
    echo = channel.unary_unary("/bench.Bench/echo", Data.SerializeToString, Data.FromString)
    service = SimpleNamespace(add=lambda a, b: add(Pair(a=a, b=b)).value, both=lambda data: echo(Data(data=data)).data)
    return Client([service], threads=threads)
