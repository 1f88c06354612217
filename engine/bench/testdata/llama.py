# The 12m model of `crescendo engine bench` in PyTorch, to compare with in one
# run on one machine. Prints the best step by processor time and by wall time.
#
#   apt-get install python3-torch libopenblas-dev
#   OPENBLAS_CORETYPE=SkylakeX OMP_NUM_THREADS=1 taskset -c 1 python3 engine/bench/testdata/llama.py 1
import resource, sys, time, torch
from torch import nn
from torch.nn import functional as F

vocab, dim, layers, heads, ffn, batch, seq = 4096, 384, 6, 6, 1024, 8, 256
head = dim // heads
torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)

angle = torch.outer(torch.arange(seq).float(), 10000.0 ** (-torch.arange(0, head, 2).float() / head))
cos, sin = angle.cos(), angle.sin()
mask = torch.ones(seq, seq, dtype=torch.bool).triu(1)

def matrix(rows, columns): return nn.Parameter(torch.randn(rows, columns) * 0.05)
def norm(x, gain): return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-5) * gain
def turn(x):
    low, high = x.split(head // 2, -1)
    return torch.cat((low * cos - high * sin, high * cos + low * sin), -1)

embedding, last = nn.Parameter(torch.randn(vocab, dim) * 0.02), nn.Parameter(torch.ones(dim))
stack = [dict(qkv=matrix(3 * dim, dim), out=matrix(dim, dim), gate=matrix(ffn, dim), up=matrix(ffn, dim), down=matrix(dim, ffn),
              first=nn.Parameter(torch.ones(dim)), second=nn.Parameter(torch.ones(dim))) for _ in range(layers)]
params = [embedding, last] + [p for layer in stack for p in layer.values()]

def loss(tokens, targets):
    x = F.embedding(tokens, embedding)
    for w in stack:
        q, k, v = F.linear(norm(x, w["first"]), w["qkv"]).view(batch, seq, 3, heads, head).permute(2, 0, 3, 1, 4)
        scores = (turn(q) @ turn(k).transpose(-1, -2) / head ** 0.5).masked_fill(mask, float("-inf"))
        x = x + F.linear((scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, seq, dim), w["out"])
        h = norm(x, w["second"])
        x = x + F.linear(F.silu(F.linear(h, w["gate"])) * F.linear(h, w["up"]), w["down"])
    return F.cross_entropy(F.linear(norm(x, last), embedding).view(-1, vocab), targets.reshape(-1))

optimizer = torch.optim.AdamW(params, lr=3e-4, weight_decay=0.1)
cpu = wall = 0
for step in range(8):
    text = torch.randint(0, vocab, (batch, seq + 1))
    c, t = time.process_time(), time.time()
    optimizer.zero_grad()
    loss(text[:, :-1], text[:, 1:]).backward()
    optimizer.step()
    cpu, wall = max(cpu, batch * seq / (time.process_time() - c)), max(wall, batch * seq / (time.time() - t))
print(f"{sum(p.numel() for p in params)} parameters, {cpu:.0f} tokens per CPU-second, {wall:.0f} tokens/s, "
      f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")
