"""The same step in PyTorch, as a baseline: pytorch_step.py CONFIG DEVICE lean|published ROWS PROMPT EXTRA RESPONSE STEPS [DROPOUT].

lean: judge and standard contexts without gradient; logits at response tokens only.
published: all three contexts in one batch with gradient, padded to the longest; softmax over the whole vocabulary in float32 at every position.
Random weights; LoRA of rank 16 on gate, up and down in float32, dropout 0.05 unless given; bfloat16 on a GPU, float32 on the CPU. The model_type may be
llama, qwen3 (norms of queries and keys) or gemma3_text (also norms after, gelu; one rotary table, no window: both cost the same below 512 tokens).
"""
import json, resource, statistics, sys, time
import torch
import torch.nn.functional as F

config, device, variant = json.load(open(sys.argv[1])), torch.device(sys.argv[2]), sys.argv[3]
rows, prompt, extra, response, steps = map(int, sys.argv[4:9])
dropout = float(sys.argv[9]) if len(sys.argv) > 9 else 0.05
gemma, head_norms = config["model_type"] == "gemma3_text", config["model_type"] in ("qwen3", "gemma3_text")
dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
hidden, width, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
kv_heads, size, vocabulary = config["num_key_value_heads"], config["head_dim"], config["vocab_size"]


def frozen(*shape):
    return torch.empty(*shape, dtype=dtype, device=device).normal_(0, 0.02)


class Adapted:
    def __init__(self, inputs, outputs, rank=16):
        self.weight = frozen(outputs, inputs)
        self.a = torch.empty(rank, inputs, device=device).uniform_(-inputs**-0.5, inputs**-0.5).requires_grad_()
        self.b = torch.zeros(outputs, rank, device=device, requires_grad=True)

    def __call__(self, x, train):
        low = F.linear(F.dropout(x, dropout, train), self.a.to(dtype))
        return F.linear(x, self.weight) + F.linear(low, self.b.to(dtype))


class Layer:
    def __init__(self):
        self.query_norm = self.key_norm = torch.ones(size, dtype=dtype, device=device)
        self.norm1 = self.norm2 = self.after1 = self.after2 = torch.ones(hidden, dtype=dtype, device=device)
        self.q, self.k, self.v = frozen(heads * size, hidden), frozen(kv_heads * size, hidden), frozen(kv_heads * size, hidden)
        self.o = frozen(hidden, heads * size)
        self.gate, self.up, self.down = Adapted(hidden, width), Adapted(hidden, width), Adapted(width, hidden)


def norm(x, weight):
    y = x.float()
    return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-5)).to(dtype) * weight


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


layers = [Layer() for _ in range(config["num_hidden_layers"])]
embedding, last = frozen(vocabulary, hidden), torch.ones(hidden, dtype=dtype, device=device)
head = embedding if head_norms and config["tie_word_embeddings"] else frozen(vocabulary, hidden)
parameters = [p for layer in layers for m in (layer.gate, layer.up, layer.down) for p in (m.a, m.b)]
optimizer = torch.optim.AdamW(parameters, lr=5e-5, weight_decay=0.0)
angles = torch.arange(4096, device=device)[:, None] * 500000.0 ** (-torch.arange(0, size, 2, device=device) / size)
cosine, sine = angles.cos().to(dtype), angles.sin().to(dtype)


def model(ids, train):
    batch, length = ids.shape
    cos, sin = cosine[:length], sine[:length]
    x = F.embedding(ids, embedding) * (hidden**0.5 if gemma else 1)
    for layer in layers:
        n = norm(x, layer.norm1)
        q, k = F.linear(n, layer.q).view(batch, length, heads, size), F.linear(n, layer.k).view(batch, length, kv_heads, size)
        if head_norms:
            q, k = norm(q, layer.query_norm), norm(k, layer.key_norm)
        q, k = rotate(q.transpose(1, 2), cos, sin), rotate(k.transpose(1, 2), cos, sin).repeat_interleave(heads // kv_heads, 1)
        v = F.linear(n, layer.v).view(batch, length, kv_heads, size).transpose(1, 2).repeat_interleave(heads // kv_heads, 1)
        if hasattr(F, "scaled_dot_product_attention"):
            attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            mask = torch.full((length, length), float("-inf"), device=device, dtype=dtype).triu(1)
            attended = torch.softmax(q @ k.transpose(-1, -2) / size**0.5 + mask, -1) @ v
        added = F.linear(attended.transpose(1, 2).reshape(batch, length, -1), layer.o)
        x = x + (norm(added, layer.after1) if gemma else added)
        n = norm(x, layer.norm2)
        gate = layer.gate(n, train)
        added = layer.down((F.gelu(gate, approximate="tanh") if gemma else F.silu(gate)) * layer.up(n, train), train)
        x = x + (norm(added, layer.after2) if gemma else added)
    return norm(x, last)


def probabilities(states, ids, length):  # of the response tokens, which end at length; published: softmax at every position first
    targets = ids[:, length - response : length]
    if variant == "published":
        p = torch.softmax(F.linear(states, head).float(), -1)[:, length - response - 1 : length - 1]
    else:
        p = torch.softmax(F.linear(states[:, length - response - 1 : length - 1], head).float(), -1)
    return p.gather(2, targets[..., None])[..., 0]


base, longer = prompt + response, prompt + extra + response
long_ids = torch.randint(0, vocabulary, (rows, longer), device=device)
base_ids = long_ids[:, extra:].contiguous()
times = []
for step in range(steps + 2):
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    if variant == "published":
        padded = torch.cat([base_ids, long_ids[:, :extra]], 1)
        ids = torch.cat([long_ids, padded, long_ids])
        states = model(ids, True)
        judge, own, standard = (probabilities(part, i, n) for part, i, n in zip(states.chunk(3), ids.chunk(3), (longer, base, longer)))
    else:
        with torch.no_grad():
            states = model(torch.cat([long_ids, long_ids]), False)
            judge, standard = (probabilities(part, long_ids, longer) for part in states.chunk(2))
        own = probabilities(model(base_ids, True), base_ids, base)
    weight = (standard.detach().sqrt() + (judge / own > 1.5).float()).detach()
    loss = 10 * -(weight * own.clamp_min(1e-30).log()).mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if device.type == "cuda":
        torch.cuda.synchronize()
    times.append(time.perf_counter() - start)

peak = torch.cuda.mem_get_info() if device.type == "cuda" else None
n = 8192 if device.type == "cuda" else 1024
a, b = torch.rand(n, n, dtype=dtype, device=device), torch.rand(n, n, dtype=dtype, device=device)
best = float("inf")
for _ in range(8):
    start = time.perf_counter()
    (a @ b)[0, 0].item()
    best = min(best, time.perf_counter() - start)
print("MEASURED " + json.dumps({
    "SecondsPerStep": statistics.median(times[2:]), "ProductRate": 2 * n**3 / best,
    "PeakBytes": peak[1] - peak[0] if peak else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
