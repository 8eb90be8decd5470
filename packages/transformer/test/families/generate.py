"""Tiny random checkpoints of every family, and what transformers computes on each.

    python -m venv .venv && .venv/bin/pip install torch==2.13.0 transformers==5.18.0
    .venv/bin/python packages/transformer/test/families/generate.py            all cases, into fixtures/
    .venv/bin/python packages/transformer/test/families/generate.py gemma2 …   these cases only

README.md says what lies in a case's folder. Everything is float32 with eager attention in evaluation mode (nothing is dropped), every candidate a row of its own,
prompt included, without padding. A seed is taken only if the case can fail: each feature of it, switched off, changes a log-prob by more than BITE, and
no token of the greedy text is nearer than GAP to the next one.
"""
import json
import math
import shutil
import sys
import warnings
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from cases import CASES

HERE = Path(__file__).parent
OUT = HERE / "fixtures"
# Prompt length, completion lengths.
GROUPS = [(24, [14, 5, 1]), (31, [12, 1]), (20, [7])]
GREEDY_PROMPTS = [22, 29]
GREEDY_TOKENS = 16
GAP = 0.006
BITE = 0.02
STEPS = 10
ADAMW = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
WEIGHT_DECAY = 0.01
MAX_GRAD_NORM = 1.0
SPECIAL = 4  # <pad> <s> </s> <unk>, then words

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
warnings.filterwarnings("ignore")


class Unfit(Exception):
    """This seed makes a case that shows too little."""


def build(config, weights=None):
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    if weights is not None:
        missing, unexpected = model.load_state_dict(weights, strict=False)
        assert not unexpected and all(name in model._tied_weights_keys for name in missing), (missing, unexpected)
    return model


def draw(model, zero_centred, random):
    """Weights for which every feature matters: no norm at its start, no bias zero, attention far from uniform."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=random)
            if name.endswith(".bias"):
                p.copy_(0.3 * noise)
            elif p.dim() == 1:
                # Gemma's embeddings are large: what its layers add (the `post` norms decide how much) is made larger still.
                p.copy_(0.3 * noise + (1.5 if zero_centred and ".post_" in name else 0.0 if zero_centred else 1.0))
            elif "embed_tokens" in name or ".wte" in name:
                # A tied head sees the token itself again: weak embeddings, so that a text is more than one token repeated.
                p.copy_((0.3 if model.config.tie_word_embeddings else 0.6) * noise)
            elif ".wpe" in name:
                p.copy_(0.4 * noise)
            else:
                # [out, in], but [in, out] in GPT-2's Conv1D
                inputs = p.shape[0] if ".c_" in name else p.shape[1]
                p.copy_(1.4 * noise / math.sqrt(inputs))


def tokens(n, vocabulary, random):
    return torch.randint(SPECIAL, vocabulary, (n,), generator=random).tolist()


def reset_rope(model):
    """Frequencies of `dynamic` depend on the sequences that went before: each begins anew here."""
    for module in model.modules():
        if "RotaryEmbedding" in type(module).__name__ and hasattr(module, "original_inv_freq"):
            module.inv_freq = module.original_inv_freq
            module.max_seq_len_cached = module.original_max_seq_len


def logits_of(model, ids):
    reset_rope(model)
    return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def log_probs(model, groups):
    """[group][completion] → [n], as a graph."""
    return [
        [
            torch.log_softmax(logits_of(model, g["prompt"] + c)[len(g["prompt"]) - 1 : -1], -1).gather(1, torch.tensor(c)[:, None])[:, 0]
            for c in g["completions"]
        ]
        for g in groups
    ]


def weighted(groups, scored):
    return sum((torch.tensor(w) * s).sum() for g, row in zip(groups, scored) for w, s in zip(g["cotangents"], row))


def numbers(scored):
    return [[[float(f"{v:.9g}") for v in c.tolist()] for c in row] for row in scored]


def greatest_difference(a, b):
    return max((x - y).abs().max().item() for ra, rb in zip(a, b) for x, y in zip(ra, rb))


def greedy(model, prompt):
    """Every step computes the whole text again; with a cache it is the same (asserted by the caller)."""
    ids, gap = list(prompt), math.inf
    with torch.no_grad():
        for _ in range(GREEDY_TOKENS):
            top = logits_of(model, ids)[-1].topk(2)
            gap = min(gap, (top.values[0] - top.values[1]).item())
            ids.append(top.indices[0].item())
    made = ids[len(prompt) :]
    if gap < GAP or min(made) < SPECIAL or len(set(made)) < 4:
        raise Unfit(f"greedy text: gap {gap:.4f}, {len(set(made))} different tokens")
    return {"prompt": prompt, "tokens": made, "smallestGap": round(gap, 5)}


def cached_greedy(model, prompt):
    reset_rope(model)
    made = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False, max_new_tokens=GREEDY_TOKENS)
    return made[0, len(prompt) :].tolist()


def trajectory(model, groups):
    parameters = dict(model.named_parameters())
    start = {name: p.detach().clone() for name, p in parameters.items()}
    decayed = [p for p in parameters.values() if p.dim() > 1]
    plain = [p for p in parameters.values() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}], fused=False, foreach=False, **ADAMW)
    losses, norms = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = weighted(groups, log_probs(model, groups))
        loss.backward()
        losses.append(loss.item())
        norms.append(torch.nn.utils.clip_grad_norm_(parameters.values(), MAX_GRAD_NORM, foreach=False).item())
        optimizer.step()
    if min(norms) < 1.05 * MAX_GRAD_NORM:
        raise Unfit(f"gradients of norm {min(norms):.3f} are not clipped")
    with torch.no_grad():
        scored = log_probs(model, groups)
    moved = {name: float(f"{(p.detach() - start[name]).norm().item():.7g}") for name, p in parameters.items()}
    return {"losses": [float(f"{v:.9g}") for v in losses], "gradNorms": [float(f"{v:.9g}") for v in norms], "logProbs": numbers(scored), "moved": moved}


def stable_trajectory(config, weights, groups, random):
    """Without what rounding decides: AdamW divides by a gradient's size, also where the gradient is nothing but rounding errors (the bias of
    keys that no position turns: softmax does not see it). Found by weights that differ in the last place."""
    first = trajectory(build(config, weights), groups)
    nudged = {name: w * (1 + 1e-7 * torch.randn(w.shape, generator=random)) for name, w in weights.items()}
    other = trajectory(build(config, nudged), groups)
    if max(abs(a - b) for a, b in zip(first["losses"], other["losses"])) > 1e-4:
        raise Unfit("the losses of the trajectory depend on rounding")
    first["decidedByRounding"] = [name for name, moved in first["moved"].items() if abs(other["moved"][name] / moved - 1) > 1e-4]
    for name in first["decidedByRounding"]:
        del first["moved"][name]
    return first


def without(config, weights, change):
    """The model with one feature switched off: by config fields, or by tensors set to zero."""
    if "zero" in change:
        chosen = [name for name in weights if change["zero"] in name]
        assert chosen, change
        return build(config, {**weights, **{name: torch.zeros_like(weights[name]) for name in chosen}})
    return build(type(config).from_dict({**config.to_dict(), **change}), weights)


def legacy_config(saved, change):
    """The same model as transformers 4 wrote it, which is how most checkpoints still say it: no `rope_parameters`, `torch_dtype`."""
    old = {k: v for k, v in saved.items() if k not in ("rope_parameters", "dtype", "transformers_version")}
    rope = dict(saved.get("rope_parameters") or {})
    if "rope_theta" in rope:
        old["rope_theta"] = rope.pop("rope_theta")
        if rope.get("partial_rotary_factor") is not None:
            old["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
        if rope["rope_type"] in ("linear", "dynamic", "longrope"):
            rope["type"] = rope.pop("rope_type")  # the oldest spelling
        old["rope_scaling"] = None if rope.get("rope_type") == "default" else rope
    old |= {"torch_dtype": "float32", "transformers_version": "4.51.0"}
    for key, value in change.items():
        if value is ...:
            del old[key]
        else:
            old[key] = value
    return old


def attempt(case, seed):
    random = torch.Generator().manual_seed(seed)
    config = AutoConfig.for_model(case["model_type"], vocab_size=96, bos_token_id=1, eos_token_id=2, pad_token_id=0, **case["config"])
    model = build(config)
    draw(model, case.get("zero_centred", False), random)
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    groups = []
    for g, (prompt, lengths) in enumerate(GROUPS):
        completions = [tokens(n, 96, random) for n in lengths]
        # Mostly a likelihood, with tokens that are pushed away among them.
        cotangents = [((torch.rand(n, generator=random) - 0.7) * 0.5).tolist() for n in lengths]
        groups.append({"id": f"g{g}", "prompt": [1] + tokens(prompt - 1, 96, random), "completions": completions, "cotangents": cotangents})
    texts = [greedy(model, [1] + tokens(n - 1, 96, random)) for n in GREEDY_PROMPTS]
    for text in texts:
        agrees = cached_greedy(model, text["prompt"]) == text["tokens"]
        if not agrees and case.get("cache_agrees", True):
            raise AssertionError("generation with a cache gives another text")
    scored = log_probs(model, groups)
    loss = weighted(groups, scored)
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    smallest = min(gradients, key=lambda name: gradients[name].abs().max().item())
    if gradients[smallest].abs().max() < 1e-3:
        raise Unfit(f"{smallest} has hardly a gradient")
    bites = {}
    for name, change in case.get("bites", {}).items():
        with torch.no_grad():
            bites[name] = round(greatest_difference(log_probs(without(config, weights, change), groups), scored), 4)
        if bites[name] < BITE:
            raise Unfit(f"{name} changes log-probs by {bites[name]} only")
    for name, change in case.get("same", {}).items():
        with torch.no_grad():
            assert greatest_difference(log_probs(without(config, weights, change), groups), scored) < 1e-6, name
    values = numbers(scored)
    for group, own in zip(groups, values):
        group["logProbs"] = own
    return {"model": model, "weights": weights, "gradients": gradients, "groups": groups, "loss": loss.item(), "greedy": texts, "bites": bites,
            "trajectory": stable_trajectory(config, weights, groups, random)}


def write(name, case, seed, made):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    made["model"].save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    save_file({k: v.contiguous() for k, v in made["gradients"].items()}, folder / "gradients.safetensors", {"format": "pt"})
    saved = json.loads((folder / "config.json").read_text())
    legacy = legacy_config(saved, case.get("legacy", {}))
    (folder / "config.legacy.json").write_text(json.dumps(legacy, indent=1) + "\n")
    check_folder(folder, made, legacy)
    expected = {
        "transformers": transformers.__version__, "torch": torch.__version__, "seed": seed, "note": case.get("note", ""), "bites": made["bites"],
        "adamW": {"learningRate": ADAMW["lr"], "betas": ADAMW["betas"], "epsilon": ADAMW["eps"], "weightDecay": WEIGHT_DECAY, "maxGradNorm": MAX_GRAD_NORM},
        "loss": made["loss"], "groups": made["groups"], "greedy": made["greedy"], "trajectory": made["trajectory"],
    }
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in expected.items())
    (folder / "expected.json").write_text("{\n" + lines + "\n}\n")


def check_folder(folder, made, legacy):
    """What was saved is the model that was computed; and the older config says the same model."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    old = build(AutoConfig.for_model(legacy["model_type"], **{k: v for k, v in legacy.items() if k != "model_type"}), load_file(folder / "model.safetensors"))
    for known in (model, old):
        with torch.no_grad():
            found = numbers(log_probs(known, made["groups"]))
        assert found == [g["logProbs"] for g in made["groups"]], folder.name


def main(wanted):
    for i, (name, case) in enumerate(CASES.items()):
        if wanted and name not in wanted:
            continue
        for seed in range(1000 * i, 1000 * i + 400):
            try:
                made = attempt(case, seed)
            except Unfit as unfit:
                reason = unfit
                continue
            write(name, case, seed, made)
            size = sum(f.stat().st_size for f in (OUT / name).iterdir())
            gap = min(t["smallestGap"] for t in made["greedy"])
            print(f"{name}: seed {seed}, gap {gap}, {size / 1000:.0f} kB, bites {made['bites']}, rounding decides {made['trajectory']['decidedByRounding']}", flush=True)
            break
        else:
            raise SystemExit(f"{name}: no seed is fit; the last: {reason}")


main(sys.argv[1:])
