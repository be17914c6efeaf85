#!/bin/bash
# A rank whose logits differ in the last bits, as another type of processor's do, is refused, also in a later run.
. "$(dirname "$0")/lib.sh"
make_teacher
other=(env ONEDNN_MAX_CPU_ISA=SSE41 DNNL_MAX_CPU_ISA=SSE41 OPENBLAS_CORETYPE=Prescott ATEN_CPU_CAPABILITY=default)
probe() { "$@" "$decant" produce labels.toml --labels.store="$store" >/dev/null 2>stderr && "$decant" inspect "$store" --json | grep '"probe"'; }
store=here.decant; here=$(probe env)
store=there.decant; there=$(probe "${other[@]}")
[ -n "$here" ] && [ -n "$there" ] || fail "a store does not record its probe: $(cat stderr)"
[ "$here" != "$there" ] || { echo "skipped: this processor gives the same logits with other instructions"; exit 77; }
expect 4 "the same type of processor" mpirun --bind-to none --oversubscribe \
  -n 1 "$decant" produce labels.toml --labels.store=mixed.decant : \
  -n 1 "${other[@]}" "$decant" produce labels.toml --labels.store=mixed.decant
[ ! -e mixed.decant ] || fail "a store was begun"
"$decant" produce labels.toml --labels.store=begun.decant --labels.epochs=200 >/dev/null 2>&1 & pid=$!
for _ in $(seq 200); do compgen -G 'begun.decant/db/*.sst' >/dev/null && break; sleep 0.05; done
kill -USR1 $pid; wait $pid || true
expect 4 "another type of processor" "${other[@]}" "$decant" produce labels.toml --labels.store=begun.decant --labels.epochs=200
mpirun --bind-to none --oversubscribe \
  -n 1 "$decant" produce labels.toml --labels.store=allowed.decant --teacher.any_processor=true : \
  -n 1 "${other[@]}" "$decant" produce labels.toml --labels.store=allowed.decant --teacher.any_processor=true \
  >/dev/null 2>stderr || fail "any_processor: $(cat stderr)"
"$decant" verify allowed.decant | has 'verdict: sound' || fail "the store of two processors is not sound"
echo "ok: another processor is caught, unless it is allowed"
