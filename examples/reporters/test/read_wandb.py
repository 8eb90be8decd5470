"""What an offline run of W&B holds, by W&B's own record classes: {"<id>": {"config": …, "figures": [[step, {…}]], "exit": …}}.

The file of such a run is a log as LevelDB writes them: seven bytes of header, then blocks of 32 KiB with records that have a checksum,
a length and a type (whole, first, middle, last).
"""

import json
import pathlib
import struct
import sys
import zlib

from wandb.proto import wandb_internal_pb2

BLOCK = 32 * 1024


def records(data):
    assert data[:4] == b":W&B", "not a file of W&B"
    at, whole = 7, b""
    while at + 7 <= len(data):
        left = BLOCK - at % BLOCK
        if left < 7:
            at += left
            continue
        checksum, length, kind = struct.unpack("<IHB", data[at : at + 7])
        part = data[at + 7 : at + 7 + length]
        assert checksum == zlib.crc32(bytes([kind]) + part)
        at += 7 + length
        whole += part
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


found = {}
for file in sorted(pathlib.Path(sys.argv[1]).glob("wandb/offline-run-*/run-*.wandb"), key=lambda file: file.stat().st_mtime_ns):
    run = {}
    for record in records(file.read_bytes()):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            settings = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.run.config.update}
            run = found.setdefault(record.run.run_id, {"figures": [], "tables": []})
            run.update(project=record.run.project, group=record.run.run_group, kind=record.run.job_type, name=record.run.display_name)
            run["config"] = {key: value for key, value in settings.items() if key != "_wandb"}
        elif kind == "history":
            items = {tuple(item.nested_key) or (item.key,): json.loads(item.value_json) for item in record.history.item}
            run["tables"] += [[items[name, "nrows"], items[name, "ncols"]] for name, *more in items if more == ["nrows"]]
            figures = {path[0]: value for path, value in items.items() if len(path) == 1 and not path[0].startswith("_")}
            if figures:
                run["figures"].append([items[("_step",)], figures])
        elif kind == "exit":
            run["exit"] = record.exit.exit_code
print(json.dumps(found))
