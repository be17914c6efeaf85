#!/bin/bash
# Bad input gets one clear line and the documented exit code, and loses nothing.
. "$(dirname "$0")/lib.sh"
make_teacher
cp labels.toml typo.toml; sed -i 's/span_chunks/span_chunk/' typo.toml
expect 2 "typo.toml:17: unknown key 'labels.span_chunk'; did you mean 'labels.span_chunks'?" "$decant" produce typo.toml
expect 2 "did you mean 'labels.k'" "$decant" produce labels.toml --labels.kk=5
expect 2 "labels.k: expected a whole number" "$decant" produce labels.toml '--labels.k="five"'
expect 2 "data.path: expected a text in quotes" "$decant" produce <(sed 's/"digits.npz"/3/' labels.toml)
expect 2 "unknown argument '--jsom'" "$decant" produce labels.toml --jsom
printf '"labels.k" = 5\n' > dotted.toml
expect 2 "dotted.toml:1: 'labels.k' stands outside a section" "$decant" produce dotted.toml
printf '[labels\nk = 5\n' > broken.toml
expect 2 "broken.toml:" "$decant" produce broken.toml
expect 3 "absent.toml" "$decant" produce absent.toml
expect 3 "absent.safetensors" "$decant" produce labels.toml --teacher.path=absent.safetensors
expect 3 "absent.npz" "$decant" produce labels.toml --data.path=absent.npz
expect 2 "neither a checkpoint of \`decant train\` nor a TorchScript file" "$decant" produce labels.toml --teacher.path=digits.npz
expect 2 "labels.k is 11, but must be 1 to the number of classes, 10" "$decant" produce labels.toml --labels.k=11
expect 2 "labels.k is 0" "$decant" produce labels.toml --labels.k=0
expect 2 "labels.temperatures has 0" "$decant" produce labels.toml --labels.temperatures=0
expect 2 "views.mixup is 2" "$decant" produce labels.toml --views.mixup=2
expect 2 "labels.store is missing" "$decant" produce <(grep -v '^store' labels.toml)
expect 3 "there is no label store at labels.decant" "$decant" inspect labels.decant
expect 3 "there is no label store at labels.decant" "$decant" verify labels.decant
expect 3 "there is no label store at" "$decant" train student.toml
mkdir other; touch other/file
expect 2 "other exists and is not a label store" "$decant" produce labels.toml --labels.store=other
[ ! -e labels.decant ] || fail "a store was made by a run that could not begin"
if command -v mpirun >/dev/null; then
  expect 3 "absent.safetensors" mpirun --bind-to none --oversubscribe -n 3 "$decant" produce labels.toml --teacher.path=absent.safetensors
  # One rank alone cannot begin, whichever it is: the job ends.
  for ranks in "labels absent labels" "absent labels labels"; do
    set -- $ranks
    expect 3 "absent.toml" timeout 60 mpirun --bind-to none --oversubscribe \
      -n 1 "$decant" produce $1.toml : -n 1 "$decant" produce $2.toml : -n 1 "$decant" produce $3.toml
  done
fi

# Names of the classes belong to what labels are.
seq 0 9 >names.txt
seq 1 10 >others.txt
"$decant" produce labels.toml --labels.store=named.decant --teacher.class_names=names.txt --labels.epochs=1 >/dev/null 2>&1 || fail "class names"
expect 4 "teacher.class_names: expected \"sha256:" "$decant" produce labels.toml --labels.store=named.decant --teacher.class_names=others.txt --labels.epochs=1
expect 4 "teacher.class_names: expected sha256:" "$decant" inspect named.decant --sample 3 --class-names others.txt
"$decant" inspect named.decant --sample 3 --class-names names.txt >/dev/null || fail "the store's own class names"
expect 2 "expected a line for each of 10 classes, found 1" "$decant" produce labels.toml --labels.store=new.decant --teacher.class_names=<(echo one)
expect 4 "teacher.tokenizer" "$decant" produce labels.toml --labels.store=named.decant --teacher.class_names=names.txt --teacher.tokenizer=names.txt --labels.epochs=1

# k = classes works: no tail.
"$decant" produce labels.toml --labels.k=10 --labels.store=all.decant >/dev/null 2>&1 || fail "k = classes"
"$decant" inspect all.decant --sample 3 --json | has '"tail_mass": 0.0' || fail "k = classes has a tail"
echo "ok: k = classes"

# Another dataset, another k on resume: refused field by field, the store is as it was.
"$decant" produce labels.toml >/dev/null 2>&1
digest=$(digest_of labels.decant)
/usr/bin/python3 -c "
import numpy as np
d = dict(np.load('digits.npz')); d['x_train'] = d['x_train'][:1000]; d['y_train'] = d['y_train'][:1000]; np.savez('small.npz', **d)"
expect 4 "layout.num_samples: expected 1200, found 1000" "$decant" produce labels.toml --data.path=small.npz
expect 4 "labels.k: expected 5, found 6" "$decant" produce labels.toml --labels.k=6
expect 4 "dataset.fingerprint" "$decant" train student.toml --data.path=small.npz
expect 4 "views.shift: expected 0.1, found 0.3" "$decant" train student.toml --views.seed=7 --views.shift=0.3
[ "$(digest_of labels.decant)" = "$digest" ] || fail "a refused run changed the store"

# A directory that cannot be written to; root can write everywhere but on a read-only file system.
mkdir readonly
if [ "$(id -u)" -eq 0 ]; then
  if mount -t tmpfs -o ro tmpfs readonly 2>/dev/null; then
    trap 'umount "$work/readonly"; rm -rf "$work"' EXIT
    expect 7 "Read-only file system" "$decant" produce labels.toml --labels.store=readonly/labels.decant
  else
    echo "skipped: root without the right to mount cannot make a read-only directory"
  fi
else
  chmod 555 readonly
  expect 7 "Permission denied" "$decant" produce labels.toml --labels.store=readonly/labels.decant
fi
