#!/usr/bin/env python3
"""The shape of SmolLM2-135M with random weights, for the questions of `gsm` or `longprompt`; and an adapter of rank 16 for it.

    workload_135m.py --out DIR --preset {135m,135m-long,135m-tiny}

Writes what make_workload.py writes, and DIR/adapter in PEFT's format. One question a step. `135m-tiny` has two narrow layers:
it checks the adapters' losses in seconds. Needs the folder of make_workload.py on PYTHONPATH.

B is not 0, as it is in a new adapter, but as it may be after some steps: else a wrong gradient of A would not show in the losses.
"""
import argparse
import json
import os
import sys

import make_workload

SHAPE = dict(hidden=576, layers=30, heads=9, kv_heads=3, ffn=1536, vocab=49152, tied=True, max_pos=2048)
RANK, ALPHA, STD_B = 16, 32, 0.02
make_workload.PRESETS["135m"] = dict(make_workload.PRESETS["gsm"], model=SHAPE, questions=16)
make_workload.PRESETS["135m-long"] = dict(make_workload.PRESETS["longprompt"], model=SHAPE, questions=8)
make_workload.PRESETS["135m-tiny"] = dict(
    make_workload.PRESETS["tiny"], model=dict(SHAPE, hidden=72, layers=2, ffn=192, vocab=512, max_pos=256))
QUESTIONS_PER_STEP = 1


def make_adapter(folder, out):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    torch.manual_seed(make_workload.SEED + 2)
    base = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(STD_B * torch.randn(parameter.shape))
    model.save_pretrained(out)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", required=True)
    ap.add_argument("--preset", required=True, choices=["135m", "135m-long", "135m-tiny"])
    a = ap.parse_args()
    sys.argv = ["make_workload.py", "--out", a.out, "--preset", a.preset]
    make_workload.main()
    make_adapter(os.path.join(a.out, "model"), os.path.join(a.out, "adapter"))
    path = os.path.join(a.out, "workload.json")
    with open(path) as f:
        work = json.load(f)
    # workload.json marks the folder as made: only now is it.
    work["questions_per_step"] = QUESTIONS_PER_STEP
    work["adapter"] = "adapter"
    work["lora"] = dict(rank=RANK, alpha=ALPHA, rslora=False, dropout=0.0)
    with open(path + ".tmp", "w") as f:
        json.dump(work, f, indent=2)
        f.write("\n")
    os.replace(path + ".tmp", path)


if __name__ == "__main__":
    main()
