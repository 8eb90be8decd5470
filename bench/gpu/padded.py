#!/usr/bin/env python3
"""The other side of bench/gpu.mjs: the step and the sampling that a user of transformers, TRL and PEFT has.

    padded.py make ENTRY.json      writes the shape's model folder, random weights in bfloat16
    padded.py run ENTRY.json       computes the entry's cases and prints a line of JSON for each

Every candidate is a right-padded row "prompt + completion"; SDPA; logits at completion positions only (TRL makes them everywhere, which is slower); fused AdamW;
float32 weights, under bfloat16 autocast or not; with LoRA PEFT's layers. Questions are taken together as many as the memory holds. `generate`: bfloat16 weights, prompts
left-padded, all rows at once.
"""
import json
import math
import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import torch.nn.functional as F
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

PAD, EOS = 0, 2
logging.set_verbosity_error()
logging.disable_progress_bar()


def make(entry):
    architecture = dict(entry["architecture"])
    config = AutoConfig.for_model(architecture.pop("model_type"), bos_token_id=1, eos_token_id=EOS, pad_token_id=PAD, **architecture)
    torch.manual_seed(7)
    with torch.device(entry["device"]):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    # Logits with a spread of about 1.5, so that candidates differ and the boundary has work to do.
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_tokens" in name:
                parameter.normal_(0, 1.5 / math.sqrt(config.hidden_size))
    model.save_pretrained(entry["model"])


def collate(groups, device):
    rows = [(g["prompt"], c) for g in groups for c in g["completions"]]
    width = max(len(p) + len(c) for p, c in rows)
    ids = torch.full((len(rows), width), PAD, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    predict, targets, row_of = [], [], []
    for r, (prompt, completion) in enumerate(rows):
        sequence = torch.tensor(prompt + completion)
        ids[r, : len(sequence)], mask[r, : len(sequence)] = sequence, 1
        predict.append(torch.arange(len(prompt) - 1, len(prompt) + len(completion) - 1) + r * width)
        targets.append(torch.tensor(completion))
        row_of.append(torch.full((len(completion),), r))
    lengths = torch.tensor([len(c) for _, c in rows])
    moved = [each.to(device) for each in (ids, mask, torch.cat(predict), torch.cat(targets), torch.cat(row_of), lengths)]
    return moved, len(rows) * width


def question_loss(scores, group, beta, sft_weight):
    """Constrained alignment with the boundary, plus the reference's likelihood."""
    positive = torch.tensor(group["positive"], device=scores.device)
    right, wrong = scores[positive], scores[~positive]
    boundary = (right.min() - beta).detach()
    terms = [scores.new_zeros(1), (wrong[None, :] - right[:, None]).flatten(), (2 * boundary - right[:, None] - wrong[None, :]).flatten()]
    return torch.logsumexp(torch.cat(terms), 0) - sft_weight * scores[0]


class Trainee:
    def __init__(self, entry, dtype, mode):
        self.device, self.bf16, self.entry = entry["device"], dtype == "bf16", entry
        model = AutoModelForCausalLM.from_pretrained(entry["model"], dtype=torch.float32, attn_implementation="sdpa").to(self.device)
        model.config.use_cache = False
        model.train()
        if mode == "lora":
            from peft import LoraConfig, get_peft_model

            lora = entry["lora"]
            model = get_peft_model(model, LoraConfig(r=lora["rank"], lora_alpha=lora["alpha"], target_modules="all-linear", task_type="CAUSAL_LM"))
            model = model.get_base_model()
        self.model = model
        own = entry["optimizer"]
        trained = [each for each in model.parameters() if each.requires_grad]
        self.trained = trained
        self.adamw = torch.optim.AdamW(trained, lr=own["lr"], betas=tuple(own["betas"]), eps=own["eps"], weight_decay=own["weight_decay"], fused=True)
        self.micro = None

    def forward_backward(self, groups, count):
        (ids, mask, predict, targets, row_of, lengths), padded = collate(groups, self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            hidden = self.model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state.flatten(0, 1)
            logits = self.model.lm_head(hidden.index_select(0, predict))
        log_probs = -F.cross_entropy(logits.float(), targets, reduction="none")
        scores = torch.zeros(len(lengths), device=self.device).index_add_(0, row_of, log_probs) / lengths
        own = self.entry["loss"]
        per = scores.unflatten(0, (len(groups), -1))
        loss = sum(question_loss(s, g, own["beta"], own["sftWeight"]) for s, g in zip(per, groups)) / count
        loss.backward()
        return loss.detach(), padded

    def step(self, groups):
        """One optimizer step; questions in one pass as many as fit."""
        micro = self.micro or len(groups)
        while True:
            try:
                total, padded = 0.0, 0
                for at in range(0, len(groups), micro):
                    loss, tokens = self.forward_backward(groups[at : at + micro], len(groups))
                    total, padded = total + loss, padded + tokens
                break
            except torch.cuda.OutOfMemoryError:
                self.adamw.zero_grad()
                torch.cuda.empty_cache()
                if micro == 1:
                    raise
                micro = (micro + 1) // 2
        self.micro = micro
        norm = torch.nn.utils.get_total_norm([each.grad for each in self.trained if each.grad is not None])
        self.adamw.step()
        self.adamw.zero_grad()
        return {"loss": float(total), "gradNorm": float(norm), "tokens": padded, "micro": micro}


def generate(model, groups, case, new, device):
    width = max(len(g["prompt"]) for g in groups)
    ids = torch.full((len(groups), width), PAD)
    mask = torch.zeros((len(groups), width), dtype=torch.long)
    for r, g in enumerate(groups):
        ids[r, width - len(g["prompt"]) :], mask[r, width - len(g["prompt"]) :] = torch.tensor(g["prompt"]), 1
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids.to(device), attention_mask=mask.to(device), num_return_sequences=case["k"], do_sample=True, temperature=1.0,
            top_k=0, top_p=1.0, max_new_tokens=new, min_new_tokens=new, pad_token_id=PAD, eos_token_id=EOS)
    return {"tokens": int(out.shape[0] * (out.shape[1] - width))}


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def peak(device, reset=False):
    """The allocator's on a GPU; on a CPU the process's."""
    if device == "cuda":
        found = torch.cuda.max_memory_allocated()
        if reset:
            torch.cuda.reset_peak_memory_stats()
        return found
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(case, entry, work):
    device = entry["device"]
    peak(device, reset=True)
    runs = []
    for n in range(case["warmup"] + case["timed"]):
        synchronize(device)
        start = time.perf_counter()
        made = work()
        synchronize(device)
        runs.append({**made, "seconds": time.perf_counter() - start, "warmup": n < case["warmup"]})
        if n >= case["warmup"] and runs[-1]["seconds"] > entry["longStep"]:
            break
    return {"runs": runs, "peakBytes": peak(device)}


def key_of(case):
    return f"{case['shape']} {case['mode']} {case['questions']} {case['prompts']}"


def say(line):
    print(json.dumps(line), flush=True)


def run(entry):
    device = entry["device"]
    if entry.get("threads"):
        torch.set_num_threads(entry["threads"])
    name = torch.cuda.get_device_name(0) if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    say({"versions": {"torch": torch.__version__, "transformers": __import__("transformers").__version__}, "device": name})
    for dtype, cases in entry["dtypes"]:
        for mode in ("full", "lora", "sample"):
            own = [each for each in cases if each["mode"] == mode]
            if not own or (mode == "sample" and dtype != "bf16"):
                continue
            try:
                if mode == "sample":
                    model = AutoModelForCausalLM.from_pretrained(entry["model"], dtype=torch.bfloat16, attn_implementation="sdpa").to(device).eval()
                else:
                    trainee = Trainee(entry, dtype, mode)
                for case in own:
                    groups = entry["groups"][f"{case['questions']} {case['prompts']}"]
                    if mode == "sample":
                        new = entry["newTokens"]["tiny" if case["prompts"] == "tiny" else "full"]
                        made = measure(case, entry, lambda: generate(model, groups, case, new, device))
                    else:
                        trainee.micro = None
                        made = measure(case, entry, lambda: trainee.step(groups))
                    say({"key": key_of(case), "dtype": dtype, **made})
            except (RuntimeError, ImportError) as error:
                say({"failed": mode, "dtype": dtype, "keys": [key_of(each) for each in own], "error": str(error).split("\n")[0]})
            model = trainee = None
            if device == "cuda":
                torch.cuda.empty_cache()


if __name__ == "__main__":
    with open(sys.argv[2]) as source:
        given = json.load(source)
    make(given) if sys.argv[1] == "make" else run(given)
