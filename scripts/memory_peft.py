"""What PyTorch, transformers and PEFT take for the steps that `memory.mjs --lora` measures: the same shape, base in bfloat16 or float32, factors of
one rank on every linear layer, padded rows. VmHWM of /proc, reset before each phase. Weights are constant: memory does not depend on them.

    python scripts/memory_peft.py 0.5b --questions 2 --dtype float32
"""

import argparse
import json
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

SHAPES = {"0.5b": (151936, 896, 4864, 24, 14, 2, 64), "1.5b": (151936, 1536, 8960, 28, 12, 2, 128)}

parser = argparse.ArgumentParser()
parser.add_argument("shape", choices=SHAPES)
parser.add_argument("--questions", type=int, default=1)
parser.add_argument("--candidates", type=int, default=4)
parser.add_argument("--prompt", type=int, default=64)
parser.add_argument("--completion", type=int, default=80)
parser.add_argument("--rank", type=int, default=16)
parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16", help="of the base; bfloat16 products are slow on many CPUs")
args = parser.parse_args()
torch.set_num_threads(2)


def peak(reset=False):
    """MiB"""
    if reset:
        open("/proc/self/clear_refs", "w").write("5")
    return round(int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024)


def phase(name, work):
    peak(reset=True)
    begin = time.time()
    result = work()
    print(json.dumps({"phase": name, "peakMiB": peak(), "seconds": round(time.time() - begin, 1)}), flush=True)
    return result


words, width, feed_forward, layers, heads, kv_heads, head_dim = SHAPES[args.shape]
config = LlamaConfig(
    vocab_size=words,
    hidden_size=width,
    intermediate_size=feed_forward,
    num_hidden_layers=layers,
    num_attention_heads=heads,
    num_key_value_heads=kv_heads,
    head_dim=head_dim,
    max_position_embeddings=2048,
    tie_word_embeddings=True,
)


def load():
    with torch.device("meta"):
        base = LlamaForCausalLM(config).to(getattr(torch, args.dtype))
    base.to_empty(device="cpu")
    base.tie_weights()
    with torch.no_grad():
        for parameter in base.parameters():
            parameter.fill_(0.001)
    base.model.rotary_emb = type(base.model.rotary_emb)(config=config)
    model = get_peft_model(base, LoraConfig(r=args.rank, lora_alpha=2 * args.rank, target_modules="all-linear", task_type="CAUSAL_LM"))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return model, trained, torch.optim.AdamW(trained, lr=1e-5, betas=(0.9, 0.95))


def step(model, trained, optimizer):
    """Question by question, as the engine's micro-batches are here; prompt and candidate in a row each."""
    for _ in range(args.questions):
        ids = torch.randint(0, 60000, (args.candidates, args.prompt + args.completion))
        # Logits of the completions alone, in float32 as losses want them.
        hidden = model(input_ids=ids, use_cache=False, logits_to_keep=args.completion + 1).logits[:, :-1].float()
        tokens = torch.log_softmax(hidden, -1).gather(-1, ids[:, args.prompt :, None])
        (-tokens.mean() / args.questions).backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    optimizer.zero_grad()


trainee = phase("load", load)
phase("first step", lambda: step(*trainee))
phase("second step", lambda: step(*trainee))
