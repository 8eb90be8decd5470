"""What `test_sharding.py` computes once in one process and once at two ranks: requests as they come from Node, and what is answered.

Started by torchrun it is a rank; rank 0 writes what was answered as a file.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file

from plumbline_torch.errors import PlumbError

ADAMW = {"learningRate": 1e-2, "betas": [0.5, 0.9], "epsilon": 1e-2, "weightDecay": 0.1, "maxGradNorm": 0.5}
VOCABULARY = 61


def batch(*lengths: tuple[int, tuple[int, ...]]) -> tuple[dict[str, Any], np.ndarray]:
    """Groups of a prompt's and its completions' lengths, with tokens that follow from them."""
    groups = [{"prompt": p, "completions": list(c), "selected": list(range(len(c))), "key": [i, 7]} for i, (p, c) in enumerate(lengths)]
    draw = np.random.default_rng(zlib.crc32(repr(lengths).encode()))
    return {"groups": groups}, draw.integers(3, VOCABULARY, sum(p + sum(c) for p, c in lengths), dtype=np.int32)


THREE = batch((9, (5, 1, 7)), (4, (3,)), (6, (2, 4)))
ONE = batch((5, (4, 2)))
"""Fewer groups than ranks: one of them has nothing to compute."""


class Run:
    """Requests about one model."""

    def __init__(self, handle: Any, folder: str, **options: Any) -> None:
        self.handle = handle
        opened, _ = handle("open", {"folder": folder, "device": "cpu", "dtype": "f32", "threads": 1, **options}, [])
        self.opened = opened

    def ask(self, method: str, params: dict[str, Any] | None = None, *arrays: np.ndarray) -> tuple[Any, list[np.ndarray]]:
        return self.handle(method, {**(params or {}), "model": self.opened["model"]}, list(arrays))

    def step(self, *batches: tuple[dict[str, Any], np.ndarray], keep: bool = True, words: np.ndarray | None = None) -> dict[str, Any]:
        """A step of micro-batches. The graph of each waits for its cotangents, or the pass is computed again."""
        found = []
        for params, tokens in batches:
            _, (values,) = self.ask("forward", {**params, "keep": keep}, tokens, *([] if words is None else [words]))
            self.ask("backward", {}, np.cos(np.arange(len(values), dtype=np.float32)) * (0.5 + len(found)))
            found.append(values)
        report, _ = self.ask("optim_step", ADAMW)
        return {"forward": found, **report}

    def scores(self, snapshot: int | None = None) -> np.ndarray:
        return self.ask("log_probs", {**THREE[0], "snapshot": snapshot}, THREE[1])[1][0]

    def sampled(self) -> list[list[int]]:
        """Three rows of two prompts; the last one takes the place of the first after two steps."""
        self.ask("begin_sampling", {"wanted": 3, "capacity": 24, "temperature": 1.0})
        prompts, tokens = batch((9, ()), (4, ()))
        uniforms = np.random.default_rng(5).random((6, 3))
        _, (last,) = self.ask("start_rows", {**prompts, "slots": [[0, 1], [2]]}, tokens, uniforms[0])
        rows = [last.tolist()]
        lengths = np.array([9, 9, 4], np.int32)
        for n in range(1, 5):
            moves = [[2, 0]] if n == 3 else []
            if moves:
                last, lengths = last[[2, 1]], lengths[[2, 1]]
            _, (last,) = self.ask("step_rows", {"moves": moves}, last, lengths, uniforms[n][: len(last)])
            lengths = lengths + 1
            rows.append(last.tolist())
        self.ask("end_sampling")
        return rows

    def state(self, file: Path) -> dict[str, np.ndarray]:
        report, _ = self.ask("save_state", {"file": str(file)})
        assert zlib.crc32(file.read_bytes()) == report["crc32"]
        return {name: values.float().numpy() for name, values in load_file(file).items()}

    def weights(self, file: Path) -> dict[str, np.ndarray]:
        self.ask("save_weights", {"file": str(file)})
        return {name: values.numpy() for name, values in load_file(file).items()}


def everything(handle: Any, folder: Path, work: Path, start: Path | None) -> dict[str, Any]:
    """Every case. start: a state that others wrote, to go on from."""
    work.mkdir()
    plain, padded = str(folder / "qwen2"), {"attention": "padded"}
    found: dict[str, Any] = {}

    run = Run(handle, plain, sharding="full")
    found["ranks"] = run.opened["ranks"]
    found["before"] = run.scores()
    found["sampled"] = run.sampled()
    snapshot, _ = run.ask("snapshot")
    found["first"] = run.step(THREE, ONE)
    found["state after one"] = run.state(work / "one")
    found["second"] = run.step(ONE)
    found["of the snapshot"] = run.scores(snapshot)
    found["after"] = run.scores()
    found["sampled after"] = run.sampled()
    # A pass that is dropped, and one whose cotangents are all zero, leave no trace.
    run.ask("forward", {**THREE[0], "keep": True}, THREE[1])
    run.ask("drop")
    _, (values,) = run.ask("forward", {**THREE[0], "keep": True}, THREE[1])
    run.ask("backward", {}, np.zeros_like(values))
    found["third, computed again"] = run.step(THREE, ONE, keep=False)
    found["weights"] = run.weights(work / "weights")
    run.ask("load_state", {"file": str(work / "one"), "step": 1})
    found["second again"] = run.step(ONE)
    found["state after two"] = run.state(work / "two")
    try:
        run.ask("save_weights", {"file": str(work / "nowhere" / "weights")})
    except PlumbError as error:  # as another rank's
        found["refused"] = error.code
    except FileNotFoundError:
        found["refused"] = "PLUMB_SYSTEM"
    found["still there"] = run.scores()
    if start is not None:
        run.ask("load_state", {"file": str(start), "step": 1})
        found["on from theirs"] = run.step(ONE)
        found["their state after two"] = run.state(work / "theirs")
    run.ask("close")

    run = Run(handle, plain, sharding="full", recompute=True, **padded)
    names = [each["name"] for each in run.opened["parameters"]]
    frozen = [name for name in names if "embed" in name or "layers.0" in name]
    run.scores()
    run.ask("prepare_training", {"frozen": frozen, "moments": "bfloat16"})
    found["frozen"] = [run.step(THREE, ONE), run.step(ONE, THREE)]
    found["state with moments in bfloat16"] = run.state(work / "frozen")
    run.ask("load_state", {"file": str(work / "frozen"), "step": 2})
    found["frozen, on"] = run.step(THREE)
    found["weights of the frozen"] = run.weights(work / "frozen weights")
    run.ask("close")

    # Adapters beside matrices that lie as [in, out]. Those that are opened with one train all weights later.
    run = Run(handle, str(folder / "gpt2"), sharding="full")
    snapshot, _ = run.ask("snapshot")
    modules = run.opened["linearModules"]
    draw = np.random.default_rng(2)
    factors = [
        draw.normal(0, 0.2, shape).astype(np.float32) for each in modules for shape in ((2, each["inFeatures"]), (each["outFeatures"], 2))
    ]
    shape = {"modules": [each["name"] for each in modules], "rank": 2, "scaling": 1.5}
    words = np.arange(2 * len(modules), dtype=np.uint32) * 977
    run.ask("prepare_training", {"frozen": [], "lora": {**shape, "dropout": 0.25}, "moments": "float32"}, *factors)
    found["adapter"] = [run.step(THREE, ONE, words=words), run.step(ONE, words=words)]
    found["factors"] = run.ask("factors")[1]
    found["state of the adapter"] = run.state(work / "adapter")
    found["merged"] = run.weights(work / "merged")
    found["without its adapter"] = run.scores(snapshot)
    run.ask("prepare_training", {"frozen": [], "moments": "float32"})
    found["merged, all trained"] = run.step(THREE)
    found["weights of the merged"] = run.weights(work / "merged and trained")
    run.ask("close")
    return found


FATAL = 31
"""A prompt so long is more than rank 1 can compute here."""


def fail_at_rank_1() -> None:
    from plumbline_torch import session

    compute = session.log_probs

    def log_probs(held: Any, groups: list[Any], *others: Any) -> Any:
        if any(len(group.prompt) == FATAL for group in groups):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return compute(held, groups, *others)

    session.log_probs = log_probs


def failed(run: Run) -> dict[str, Any]:
    """What is told when a rank fails in a pass that the others have begun, and what a request is told after that."""
    found = {}
    for key, (params, tokens) in {"failed": batch((3, (4,)), (FATAL, (2,))), "failed before": ONE}.items():
        try:
            run.ask("forward", {**params, "keep": True}, tokens)
        except PlumbError as error:
            found[key] = f"{error.code}: {error.message}"
    return found


def main(folder: str, work: str, start: str, out: str) -> None:
    """A rank."""
    from plumbline_torch import shards
    from plumbline_torch.host import Host
    from plumbline_torch.ranks import RankedHandler, World

    handler = RankedHandler(Host(), World.of_environment())
    # torchrun ends this rank, too, when another one fails, and that is what is looked at.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if handler._world.rank > 0:
        fail_at_rank_1()
        handler.follow()
    found = everything(handler.handle, Path(folder), Path(work), Path(start))
    shards.GATHERED_SHARE = 0.0
    run = Run(handler.handle, str(Path(folder) / "qwen2"), sharding="full")
    found["sampled with weights that are gathered at every step"] = run.sampled()
    found["scores after that"] = run.scores()
    for key, value in {"attention": "flex", "compile": True}.items():
        try:
            Run(handler.handle, str(Path(folder) / "qwen2"), sharding="full", **{key: value})
        except PlumbError as error:
            found[f"with {key}"] = (error.code, error.where)
    found |= failed(run)
    with open(out, "wb") as file:
        pickle.dump(found, file)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
