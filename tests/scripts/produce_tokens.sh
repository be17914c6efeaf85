#!/bin/bash
# A token stream and documents, labelled by token models: every position, or those that are masked.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import torch, numpy' 2>/dev/null || { echo "skipped: Debian's python3-torch is missing"; exit 77; }
/usr/bin/python3 - <<'PY'
import numpy as np, torch
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.embedding, self.mix = torch.nn.Embedding(50, 16), torch.nn.Linear(16, 50)
    def forward(self, tokens):
        return self.mix(self.embedding(tokens).cumsum(1) / 2)
torch.jit.trace(Model().eval(), torch.zeros((1, 8), dtype=torch.int64)).save("language.pt")
tokens = np.random.default_rng(0).integers(0, 50, 2000).astype("<u2")
tokens.tofile("stream.bin")
np.array([0, 3, 40, 41, 100, 2000], dtype="<u8").tofile("offsets.bin")
PY
cat > tokens.toml <<'TOML'
[data]
path = "stream.bin"
kind = "tokens"
window = 32
[views]
seed = 3
[teacher]
path = "language.pt"
batch_size = 4
[labels]
store = "tokens.decant"
epochs = 2
k = 5
chunk_size = 10
span_chunks = 2
delta = 0.001
TOML
"$decant" plan tokens.toml | has 'labels/s' || fail "no plan for tokens"
"$decant" produce tokens.toml >/dev/null 2>stderr || fail "$(cat stderr)"
"$decant" verify tokens.decant | has 'verdict: sound' || fail "the store of tokens is not sound"
expected=$(digest_of tokens.decant)
mpi 2 produce tokens.toml --labels.store=ranks.decant --produce.replicas=2 >/dev/null 2>&1
[ "$(digest_of ranks.decant)" = "$expected" ] || fail "two ranks: another digest"
"$decant" verify tokens.decant --teacher tokens.toml --samples 60 | has "the teacher's labels" || fail "verify --teacher"
"$decant" inspect tokens.decant --sample 11 --epoch 1 --json > label.json
/usr/bin/python3 - <<'PY'
import json
import numpy as np, torch
label = json.load(open("label.json"))
tokens = np.fromfile("stream.bin", dtype="<u2")[11 * 32:12 * 32].astype(np.int64)
expected = torch.jit.load("language.pt")(torch.from_numpy(tokens)[None]).log_softmax(-1)[0].detach().numpy()
offsets = label["offsets"]
assert len(offsets) == 33, offsets
for position in range(32):
    ids, found = (label[name][offsets[position]:offsets[position + 1]] for name in ("ids", "log_probs"))
    assert set(ids) == set(np.argsort(-expected[position])[:5].tolist()), position
    assert np.abs(expected[position][ids] - found).max() < 0.0011, position
print("ok: every position has the model's five likeliest tokens")
PY

"$decant" match tokens.decant stream.bin --data.kind=tokens >report || fail "match: $(cat report)"
grep -q '^  tokens     equal    32 of 32 hashes' report || fail "hashes of windows: $(cat report)"
"$decant" check tokens.decant --dataset stream.bin --data.kind=tokens >report || true
grep -q '^  classes .* labels; the commonest class' report || fail "next tokens: $(cat report)"
/usr/bin/python3 -c '
import numpy as np
tokens = np.fromfile("stream.bin", "<u2")
tokens[:32], tokens[32:64] = tokens[32:64].copy(), tokens[:32].copy()
tokens.tofile("swapped.bin")'
"$decant" match tokens.decant swapped.bin --data.kind=tokens >report && fail "swapped windows are aligned: $(cat report)"
grep -q 'first that differs: window [01]' report || fail "swapped windows: $(cat report)"

# Masked views: the store has labels of the masked positions, and `view` shows which.
"$decant" produce tokens.toml --labels.store=masked.decant --views.mask=0.15 --views.mask_token=49 \
  --views.special_tokens=[0,1] >/dev/null 2>stderr || fail "$(cat stderr)"
"$decant" view tokens.toml --views.mask=0.15 --views.mask_token=49 --views.special_tokens=[0,1] --sample 5 > view.json
"$decant" inspect masked.decant --sample 5 --json > label.json
/usr/bin/python3 - <<'PY'
import json
view, label = json.load(open("view.json")), json.load(open("label.json"))
assert 0 < len(view["labelled_positions"]) < 20
assert len(label["offsets"]) - 1 == len(view["labelled_positions"]) or "offsets" not in label
assert label["view_fingerprint"] == view["fingerprint"], (label["view_fingerprint"], view["fingerprint"])
print("ok: the masked positions of a view have its labels")
PY

# Documents of their own lengths; and what is wrong with bad files is said.
"$decant" produce tokens.toml --data.kind=documents --data.documents=offsets.bin --data.window=64 \
  --labels.store=documents.decant >/dev/null 2>stderr || fail "$(cat stderr)"
"$decant" verify documents.decant | has 'verdict: sound' || fail "the store of documents is not sound"
expect 2 "data.window" "$decant" produce tokens.toml --data.window=0 --labels.store=bad.decant
head -c 1999 stream.bin > odd.bin
expect 2 "odd.bin" "$decant" produce tokens.toml --data.path=odd.bin --labels.store=bad.decant
expect 2 "min_accuracy" "$decant" produce tokens.toml --teacher.min_accuracy=0.5 --labels.store=bad.decant
