#!/bin/bash
# JPEG images in tar shards, labelled at 32 x 32 under crops, RandAugment, mixup and cutmix: one digest for all numbers of
# ranks, threads, replicas and queues; a student that sees the same views at its own size; what teachers see; bad images.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import torch, PIL, numpy' 2>/dev/null || { echo "skipped: Debian's torch or PIL is missing"; exit 77; }
/usr/bin/python3 "$source/examples/jpeg_digits/make_shards.py" shards --train 150 --test 30
/usr/bin/python3 "$source/examples/export_teacher.py" teacher.pt --channels 3 --size 32 >/dev/null
cat > images.toml <<'TOML'
[data]
path = "shards"
[views]
size = 32
seed = 5
crop = "random"
flip = 0.5
rand_augment_ops = 2
jitter_hue = 0.2
erase = 0.3
mixup = 0.4
cutmix = 0.4
epochs_per_order = 2
[teacher]
path = "teacher.pt"
batch_size = 16
[labels]
store = "images.decant"
epochs = 4
k = 3
chunk_size = 20
span_chunks = 2
TOML

"$decant" index images.toml | has '"tar"' || fail "index does not say what the dataset is"
"$decant" produce images.toml --trace trace.json >/dev/null 2>&1
expected=$(digest_of images.decant)
[ ${#expected} -eq 64 ] || fail "no digest: '$expected'"
same() {
  local name=$1
  shift
  "$@" >/dev/null 2>stderr || fail "$name: $(cat stderr)"
  [ "$(digest_of other.decant)" = "$expected" ] || fail "$name: another digest"
  rm -rf other.decant
  echo "ok: $name: the same digest"
}
for ranks in 1 2 4; do same "$ranks ranks" mpi $ranks produce images.toml --labels.store=other.decant; done
for threads in 1 2 3 4; do
  same "$threads decode threads, $((5 - threads)) replicas" "$decant" produce images.toml --labels.store=other.decant \
    --produce.decode_threads=$threads --produce.replicas=$((5 - threads)) --produce.queue_depth=$((threads * threads))
done
/usr/bin/python3 - <<'PY'
import json
events = json.load(open("trace.json"))["traceEvents"]
names = {event["name"] for event in events if event["ph"] == "X"}
assert {"decode and render", "forward and select", "encode", "write"} <= names, names
assert sum(e["args"]["items"] for e in events if e["name"] == "encode") == 600
print("ok: the trace has every stage")
PY

# What the teacher sees, and what a student sees of it.
"$decant" view images.toml --sample 7 --epoch 1 -o view.png | has fingerprint || fail "view prints nothing"
/usr/bin/python3 -c 'import PIL.Image; image = PIL.Image.open("view.png"); assert (image.size, image.mode) == ((32, 32), "RGB")'
expect 2 "there is no sample 150" "$decant" view images.toml --sample 150 -o view.png
cat > pupil.toml <<'TOML'
[data]
path = "shards"
[labels]
store = "images.decant"
[student]
features = 4
[train]
epochs = 2
checkpoint = "pupil.safetensors"
TOML
"$decant" train pupil.toml 2>/dev/null | has 'test accuracy' || fail "no student at the teacher's size"
expect 2 "rand_augment" "$decant" train pupil.toml --student.image_size=24 --train.checkpoint=other.safetensors
expect 4 "seed: expected 5, found 6" "$decant" train pupil.toml --views.seed=6 --train.checkpoint=other.safetensors

# A second teacher labels what the first one saw.
"$decant" produce images.toml --labels.store=plain.decant --views.rand_augment_ops=0 --labels.epochs=1 >/dev/null 2>&1
sed -e '/^\[views\]/,/^\[teacher\]/{/^\[teacher\]/!d}' images.toml > second.toml
printf '[views]\nfrom = "images.decant"\n' >> second.toml
"$decant" produce second.toml --labels.store=second.decant >/dev/null 2>&1
[ "$(digest_of second.decant)" = "$expected" ] || fail "views.from: the same teacher of the same views has another digest"
expect 2 "views.seed and views.from" "$decant" produce second.toml --labels.store=third.decant --views.seed=1
"$decant" train pupil.toml --labels.store=plain.decant --student.image_size=24 --train.checkpoint=small.safetensors 2>/dev/null |
  has 'test accuracy' || fail "no student at a size of its own"

# A teacher that is not good enough is found before the first span.
expect 4 "less than teacher.min_accuracy 99.00 %" "$decant" produce images.toml --labels.store=gate.decant \
  --teacher.min_accuracy=0.99
"$decant" verify gate.decant >/dev/null 2>&1 && fail "a store was begun with a bad teacher"

# Damaged images: an error that names the sample, or left out, by student and teacher alike.
mkdir -p damaged/train damaged/test
/usr/bin/python3 - <<'PY'
import io, tarfile
with tarfile.open("shards/train/000000.tar") as old, tarfile.open("damaged/train/000000.tar", "w") as new:
    for entry in old:
        content = old.extractfile(entry).read()
        if entry.name == "00000003.jpg": content = content[:len(content) // 2]
        if entry.name == "00000009.jpg": content = b""
        entry.size = len(content)
        new.addfile(entry, io.BytesIO(content))
with tarfile.open("shards/test/000000.tar") as old, tarfile.open("damaged/test/000000.tar", "w") as new:
    for entry in old: new.addfile(entry, old.extractfile(entry))
PY
expect 5 "00000003" "$decant" produce images.toml --data.path=damaged --labels.store=damaged.decant
code=0; "$decant" index images.toml --data.path=damaged --check >index.txt || code=$?
[ "$code" -eq 5 ] || fail "index --check: exit code $code, expected 5"
grep -q '^2 of 150 samples' index.txt || fail "index --check: $(cat index.txt)"
rm -rf damaged.decant
"$decant" produce images.toml --data.path=damaged --data.undecodable=skip --labels.store=skipped.decant >/dev/null 2>&1
"$decant" inspect skipped.decant | has '00000009' || fail "the store does not list what was left out"
"$decant" train pupil.toml --data.path=damaged --data.undecodable=skip --labels.store=skipped.decant \
  --train.checkpoint=skipped.safetensors 2>/dev/null | has 'test accuracy' || fail "no student of the samples that are left"
expect 4 "left_out" "$decant" train pupil.toml --labels.store=skipped.decant --train.checkpoint=other.safetensors
