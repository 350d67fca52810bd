"""The stubs of the protocol `windlass.v1`: `from windlass_proto.v1 import tasks_service_pb2`.

`v1` is generated from windlass/v1/*.proto by generate.py and committed.  The .proto files themselves, for clients in
other languages, are installed under `share/windlass/proto` of the environment's prefix.
"""
