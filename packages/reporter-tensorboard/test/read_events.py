"""Prints what TensorBoard's own reader finds below a folder, as JSON: run -> tag -> [[step, value], ...]. Usage: read_events.py FOLDER"""
import json
import sys

from tensorboard.backend.event_processing import plugin_event_multiplexer as multiplexer

runs = multiplexer.EventMultiplexer(size_guidance={"tensors": 0, "scalars": 0})
runs.AddRunsFromDirectory(sys.argv[1])
runs.Reload()
found = {}
for run, kinds in runs.Runs().items():
    found[run] = {}
    for tag in kinds["tensors"]:
        plugin = runs.SummaryMetadata(run, tag).plugin_data.plugin_name
        assert plugin == "scalars", (run, tag, plugin)
        found[run][tag] = [[event.step, float(event.tensor_proto.float_val[0])] for event in runs.Tensors(run, tag)]
print(json.dumps(found))
