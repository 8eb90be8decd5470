"""Hands what a run tells to the Python client of a tracker: `python tracker.py wandb`, or trackio.

Requests are lines of JSON on the standard input, and each is answered by one line: {"ok": …}, or {"error": "…"}. At the end of the
input the run of the tracker is finished, and so is this process.
"""

import importlib
import json
import os
import sys


class Wandb:
    def __init__(self, client):
        self.client = client
        self.run = None

    def begin(self, id, name, group, kind, config, options):
        # Settings of other stages may have changed since the run began.
        self.run = self.client.init(
            id=id, name=name, group=group, job_type=kind, config=config, resume="allow", allow_val_change=True, **options
        )
        return self.run.url

    def log(self, step, figures):
        self.run.log(figures, step=step)

    def table(self, name, rows):
        columns = list(rows[0])
        self.run.log({name: self.client.Table(columns=columns, data=[[row[column] for column in columns] for row in rows])})

    def end(self, failed=False):
        run, self.run = self.run, None
        if run is not None:
            run.finish(exit_code=1 if failed else 0)


class Trackio:
    def __init__(self, client):
        self.client = client
        self.running = False

    def begin(self, id, name, group, kind, config, options):
        # Runs are told apart by their names alone, and resumed by them.
        self.client.init(name=id, group=group, config={**config, "stage": kind}, resume="allow", **options)
        self.running = True

    def log(self, step, figures):
        self.client.log(figures, step=step)

    def table(self, name, rows):
        self.client.log({name: self.client.Table(data=rows)})

    def end(self, failed=False):
        if self.running:
            self.client.finish()
        self.running = False


CLIENTS = {"wandb": Wandb, "trackio": Trackio}


def main(name):
    # What a client prints, and what it would ask for, does not come between the lines.
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)

    def answer(**said):
        try:
            print(json.dumps(said), file=answers, flush=True)
        except BrokenPipeError:
            pass  # The run has ended, and reads no answers: what it had sent is still handed on.

    try:
        tracker = CLIENTS[name](importlib.import_module(name))
    except ModuleNotFoundError as error:
        missing = "it is not installed" if error.name == name else f"it lacks {error.name}"
        return answer(error=f"{missing}; install it with: {sys.executable} -m pip install {name}")
    except Exception as error:
        return answer(error=f"it cannot be loaded: {sentence(error)}")

    answer(ok=None)
    for line in requests:
        request = json.loads(line)
        try:
            answer(ok=getattr(tracker, request.pop("do"))(**request))
        except Exception as error:
            answer(error=sentence(error))
    tracker.end()


def sentence(error):
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


if __name__ == "__main__":
    main(sys.argv[1])
