#!/usr/bin/env python3
"""Runs a job and follows it to its end, with nothing generated: the server describes its own messages.

    pip install grpcio grpcio-reflection protobuf
    DATAGUARDIAN_SERVER=https://127.0.0.1:8443 DATAGUARDIAN_CA=ca.pem DATAGUARDIAN_TOKEN=dg_… run_and_watch.py nightly
"""

import os
import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


class DataGuardian:
    """One connection; `call` and `stream` take a method and its request as keyword arguments."""

    def __init__(self, server: str, ca_file: str, token: str):
        with open(ca_file, "rb") as file:
            tls = grpc.ssl_channel_credentials(root_certificates=file.read())
        credentials = grpc.composite_channel_credentials(tls, grpc.access_token_call_credentials(token))
        self._channel = grpc.secure_channel(server.removeprefix("https://"), credentials)
        self._pool = DescriptorPool(ProtoReflectionDescriptorDatabase(self._channel))

    def call(self, service: str, method: str, **request):
        return self._stub(service, method, self._channel.unary_unary, request)

    def stream(self, service: str, method: str, **request):
        return self._stub(service, method, self._channel.unary_stream, request)

    def _stub(self, service, method, kind, request):
        descriptor = self._pool.FindServiceByName(f"dataguardian.v1.{service}").FindMethodByName(method)
        input_class = GetMessageClass(descriptor.input_type)
        output_class = GetMessageClass(descriptor.output_type)
        stub = kind(
            f"/dataguardian.v1.{service}/{method}",
            request_serializer=input_class.SerializeToString,
            response_deserializer=output_class.FromString,
        )
        return stub(input_class(**request))


def main() -> int:
    server = DataGuardian(*(os.environ[f"DATAGUARDIAN_{name}"] for name in ("SERVER", "CA", "TOKEN")))
    if len(sys.argv) < 2:
        for job in server.call("JobService", "ListJobs", page_size=100).jobs:
            print(f"{job.name}: {job.datasource} into {', '.join(job.storages)}")
        return 0
    execution = server.call("JobService", "RunJob", job=sys.argv[1]).execution
    states = execution.DESCRIPTOR.fields_by_name["state"].enum_type
    for change in server.stream("ExecutionService", "WatchExecution", id=execution.id):
        execution = change.execution
        progress = execution.progress
        state = states.values_by_number[execution.state].name.removeprefix("EXECUTION_STATE_").lower()
        print(f"{state} {progress.stage}: {progress.raw_bytes} bytes, {progress.rows} rows")
    if execution.state != states.values_by_name["EXECUTION_STATE_COMPLETED"].number:
        print(f"{execution.failure.reason}: {execution.failure.message} ({execution.failure.advice})", file=sys.stderr)
        return 1
    print(f"backup {execution.backup_id} is there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
