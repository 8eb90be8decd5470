"""FSDP2 at two ranks (gloo) against one process: the same requests, the same answers."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sharded_run import ONE, Run, everything
from transformers import AutoConfig, AutoModelForCausalLM

from plumbline_torch.host import Host

TESTS = Path(__file__).parent
SMALL = {
    "vocab_size": 61,
    "hidden_size": 24,
    "intermediate_size": 20,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "tie_word_embeddings": True,
}
GPT2 = {"vocab_size": 61, "n_embd": 20, "n_layer": 2, "n_head": 2, "n_positions": 64, "bos_token_id": 1, "eos_token_id": 2}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(1)
    for kind, config in [("qwen2", SMALL), ("gpt2", GPT2)]:
        AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **config)).save_pretrained(folder / kind)
    return folder


@pytest.fixture(scope="module")
def alone(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "work"
    return {**everything(Host().handle, models, folder, None), "folder": folder}


def near(ours, theirs, where=""):
    """The same structure, numbers to 1e-5 of the largest of their tensor."""
    if isinstance(theirs, dict):
        assert set(ours) == set(theirs), where
        for key, value in theirs.items():
            near(ours[key], value, f"{where} {key}")
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), where
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            near(a, b, f"{where} {i}")
    elif isinstance(theirs, np.ndarray | float):
        assert np.shape(ours) == np.shape(theirs), where
        largest = max(float(np.abs(theirs).max()), 1e-3) if np.size(theirs) else 1
        assert float(np.abs(np.subtract(ours, theirs)).max(initial=0)) <= (2**-7 if "bfloat16" in where else 1e-5) * largest, where
    else:
        assert ours == theirs, where


@pytest.fixture(scope="module")
def at_two(models, alone, tmp_path_factory):
    """What two ranks answered; loading torch and transformers twice takes longest, so all cases are computed at once."""
    folder = tmp_path_factory.mktemp("two")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(TESTS / "sharded_run.py")]
    words = [models, folder / "work", alone["folder"] / "one", folder / "found"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([*command, *map(str, words)], env=environment, capture_output=True, text=True, timeout=1800)
    assert (folder / "found").exists(), ended.stderr
    return {**pickle.loads((folder / "found").read_bytes()), "folder": folder / "work"}


def test_two_ranks_with_parts_of_a_model_answer_as_one_process_does(alone, at_two):
    assert alone["second"]["gradNorm"] > 0
    assert (at_two["ranks"], alone["ranks"]) == (2, 1)
    keys = set(alone) - {"ranks", "folder"}
    near({key: at_two[key] for key in keys}, {key: alone[key] for key in keys})


def test_a_state_of_one_process_is_gone_on_from_at_two_ranks_and_the_other_way(alone, at_two, models, tmp_path):
    near(at_two["on from theirs"], alone["second"])
    near(at_two["their state after two"], alone["state after two"])
    run = Run(Host().handle, str(models / "qwen2"))
    run.ask("load_state", {"file": str(at_two["folder"] / "one"), "step": 1})
    near(run.step(ONE), alone["second"])
    near(run.state(tmp_path / "two"), alone["state after two"])


def test_rows_are_the_same_where_weights_are_gathered_at_every_step(alone, at_two):
    assert at_two["sampled with weights that are gathered at every step"] == alone["sampled"]
    near(at_two["scores after that"], alone["before"])


def test_what_cannot_be_had_of_parts_is_refused(at_two):
    for key in ("attention", "compile"):
        assert at_two[f"with {key}"] == ("PLUMB_TORCH_UNSUPPORTED", f"backend.{key}")


def test_a_rank_that_fails_while_the_others_wait_for_it_ends_the_run_with_its_reason(at_two):
    assert at_two["failed"].startswith("PLUMB_OUT_OF_MEMORY: ")
    assert at_two["failed"].endswith("(rank 1 of 2)")
    assert at_two["failed before"] == at_two["failed"]
