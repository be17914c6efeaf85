#!/bin/bash
# A flipped byte anywhere in any SST, a truncated SST, a missing SST: `decant verify` names it and exits with 5.
. "$(dirname "$0")/lib.sh"
make_teacher
"$decant" produce labels.toml --labels.epochs=1 >/dev/null 2>&1
"$decant" verify labels.decant | tee report; grep -q 'verdict: sound' report

expect_named() {  # NAME WHAT
  local code=0
  "$decant" verify labels.decant >report || code=$?
  [ $code -eq 5 ] || fail "$2: exit code $code: $(cat report)"
  grep -q "^$1: " report || fail "$2: not named: $(cat report)"
}
flip() { printf "$(printf '\\x%02x' $(( $(od -An -tu1 -j"$2" -N1 "$1") ^ $3 )))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

chmod u+w labels.decant/db/*.sst  # sealing took it
RANDOM=${SEED:=$$}; echo "SEED=$SEED"
for file in labels.decant/db/*.sst; do
  name=$(basename "$file") size=$(stat -c %s "$file")
  for offset in 0 $((RANDOM * RANDOM % size)) $((size / 2)) $((size - 53)) $((size - 40)) $((size - 20)) $((size - 1)); do
    flip "$file" $offset 4
    expect_named "$name" "byte $offset of $name flipped"
    flip "$file" $offset 4
  done
done
echo "ok: flipped bytes; for instance: $(head -1 report)"
cp "$file" copy
truncate -s -1 "$file"; expect_named "$name" "$name cut by a byte"
truncate -s 100 "$file"; expect_named "$name" "$name cut to 100 bytes"; echo "ok: $(head -1 report)"
rm "$file"; expect_named "$name" "$name missing"; echo "ok: $(head -1 report)"
expect 5 "labels.decant" "$decant" inspect labels.decant
mv copy "$file"
"$decant" verify labels.decant --json | has '"verdict": "sound"' || fail "not sound after the file is back"
