"""Stands in for trackio: what of its documented API the reporter uses, and every call as a line of the file that TRACKIO_CALLS names."""

import json
import os

_run = None


def _call(called, /, **given):
    with open(os.environ["TRACKIO_CALLS"], "a", encoding="utf-8") as file:
        file.write(json.dumps([called, given]) + "\n")


class Table:
    def __init__(self, columns=None, data=None, dataframe=None):
        self.data = data


def init(project, name=None, group=None, space_id=None, config=None, resume="never", **others):
    global _run
    if resume not in ("must", "allow", "never"):
        raise ValueError("resume must be one of: 'must', 'allow', or 'never'")
    if any(key.startswith("_") for key in config or {}):
        raise ValueError("keys starting with '_' are reserved")
    print(f"* Trackio project initialized: {project}")
    _run = name
    _call("init", project=project, name=name, group=group, space_id=space_id, config=config, resume=resume, others=others)


def log(metrics, step=None):
    if _run is None:
        raise RuntimeError("Call trackio.init() before trackio.log().")
    if metrics.get("loss") == 13:
        raise ValueError("thirteen\nis refused")
    if metrics.get("loss") == 666:
        os._exit(9)
    shown = {key: {"table": value.data} if isinstance(value, Table) else value for key, value in metrics.items()}
    _call("log", run=_run, step=step, metrics=shown)


def finish():
    global _run
    if _run is None:
        raise RuntimeError("Call trackio.init() before trackio.finish().")
    _call("finish", run=_run)
    _run = None
