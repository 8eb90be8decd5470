"""What goes wrong, in words and codes."""

import sys

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from plumbline_torch import session as sessions
from plumbline_torch.devices import _own_gpu, choose_device, require_packages
from plumbline_torch.errors import PlumbError, described
from plumbline_torch.session import Session

SMALL = {"vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}


def test_a_missing_package_is_told_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules["plumbline_torch.devices"].COMMANDS, "no-such-package", "no-such-package")
    with pytest.raises(PlumbError) as caught:
        require_packages(["no-such-package"])
    assert caught.value.code == "PLUMB_TORCH_PACKAGE"
    assert caught.value.message.endswith(f"{sys.executable} -m pip install -U no-such-package")


def test_no_memory_is_told_with_what_is_held_and_what_would_fit(tmp_path, monkeypatch):
    AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **SMALL)).save_pretrained(tmp_path)
    session = Session({"folder": str(tmp_path), "dtype": "f32"}, choose_device("cpu"))

    def refuse(*_args):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(sessions, "log_probs", refuse)
    shapes = [{"prompt": 5, "completions": [4, 3], "selected": [0, 1]}]
    with pytest.raises(PlumbError) as caught:
        session.forward({"groups": shapes, "keep": True}, [np.zeros(12, np.int32)])
    assert caught.value.code == "PLUMB_OUT_OF_MEMORY"
    assert "for 10 tokens at once" in caught.value.message
    assert "microBatchTokens of at most 5" in caught.value.message


def test_out_of_memory_of_any_kind_has_one_code():
    for error in (
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("MPS backend out of memory"),
    ):
        assert described(error)["code"] == "PLUMB_OUT_OF_MEMORY"
    assert described(RuntimeError("shapes differ"))["code"] == "PLUMB_TORCH_FAILED"


def test_a_rank_takes_the_gpu_of_its_number_or_is_told_that_there_is_none(monkeypatch):
    assert _own_gpu(1) == 0
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert _own_gpu(4) == 3
    with pytest.raises(PlumbError, match="expected --nproc-per-node of at most 2") as caught:
        _own_gpu(2)
    assert caught.value.code == "PLUMB_DEVICE_UNSUPPORTED"


@pytest.mark.parametrize(("change", "code"), [("drop", "PLUMB_MODEL_TENSOR_MISSING"), ("add", "PLUMB_MODEL_TENSOR_UNEXPECTED")])
def test_a_folder_that_lacks_a_tensor_or_has_one_more_is_refused(change, code, tmp_path):
    from safetensors.torch import load_file, save_file

    AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **SMALL)).save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    if change == "drop":
        del tensors["model.norm.weight"]
    else:
        tensors["model.layers.0.self_attn.q_proj.bias"] = torch.zeros(16)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PlumbError) as caught:
        Session({"folder": str(tmp_path), "dtype": "f32"}, choose_device("cpu"))
    assert caught.value.code == code
