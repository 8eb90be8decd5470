#!/usr/bin/env python3
"""align_torch.py with PEFT's adapter in the model: the workload's own, trained; the base is frozen.

    align_peft.py --workload DIR --loss aft-bc --steps N --out FILE.json       and every other option of align_torch.py

Needs the folder of align_torch.py on PYTHONPATH.
"""
import json
import os
import sys

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import align_torch
import transformers
from peft import PeftModel


def main():
    folder = sys.argv[sys.argv.index("--workload") + 1]
    with open(os.path.join(folder, "workload.json")) as f:
        adapter = os.path.join(folder, json.load(f)["adapter"])
    load = transformers.LlamaForCausalLM.from_pretrained

    def load_adapted(*args, **kwargs):
        # PEFT puts its layers into the model it is given, so what align_torch.py calls are the adapted modules.
        return PeftModel.from_pretrained(load(*args, **kwargs), adapter, is_trainable=True).get_base_model()

    transformers.LlamaForCausalLM.from_pretrained = load_adapted
    align_torch.main()


if __name__ == "__main__":
    main()
