"""Whether folders that this project wrote load into transformers and give the fixtures' numbers. By hand; no test runs it.

    PLUMBLINE_EXPORTS=/tmp/exports npx jest packages/backend-onnx/test/families
    .venv/bin/python packages/transformer/test/families/export_check.py /tmp/exports

/tmp/exports/<case>/untrained is the fixture, opened and saved; /tmp/exports/<case>/trained is what its ten steps made.
"""
import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, logging

logging.set_verbosity_error()
logging.disable_progress_bar()
FIXTURES = Path(__file__).parent / "fixtures"
BOUNDS = {"untrained": 1e-5, "trained": 1e-3}


def score(model, prompt, completion):
    for module in model.modules():  # as in generate.py: frequencies of `dynamic` begin anew
        if hasattr(module, "original_inv_freq"):
            module.inv_freq = module.original_inv_freq
            module.max_seq_len_cached = module.original_max_seq_len
    with torch.no_grad():
        logits = model(torch.tensor([prompt + completion]), use_cache=False).logits[0, len(prompt) - 1 : -1]
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(completion)[:, None])[:, 0]


def check(folder, groups, log_probs):
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    strays = {key: value for key, value in info.items() if value and key != "conversion_errors"}
    AutoTokenizer.from_pretrained(folder)
    model.eval()
    worst = max(
        (score(model, g["prompt"], c) - torch.tensor(expected)).abs().max().item()
        for g, row in zip(groups, log_probs)
        for c, expected in zip(g["completions"], row)
    )
    return worst, strays


def main(exports):
    failed = checked = 0
    for case in sorted(p for p in Path(exports).iterdir() if (FIXTURES / p.name).is_dir()):
        expected = json.loads((FIXTURES / case.name / "expected.json").read_text())
        known = {"untrained": [g["logProbs"] for g in expected["groups"]], "trained": expected["trajectory"]["logProbs"]}
        for state, log_probs in known.items():
            worst, strays = check(case / state, expected["groups"], log_probs)
            good = worst < BOUNDS[state] and not strays
            checked, failed = checked + 1, failed + (not good)
            print(f"{'ok  ' if good else 'FAIL'} {case.name}/{state}: log-probs differ by {worst:.1e}", strays or "")
    print(f"{checked} folders, {failed} failed")
    sys.exit(1 if failed or not checked else 0)


main(sys.argv[1])
