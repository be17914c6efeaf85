#!/bin/bash
# Writing, sealing, merging, extending, expiring and repairing stores, killed with SIGKILL at random moments and run
# again: no committed span is lost, none is half there, and the digest is the undisturbed store's. DECANT_KILLS (200)
# says how many kills; SEED repeats a run's choices.
set -euo pipefail
decant=$1 make_store=$3 kills=${DECANT_KILLS:-200}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
RANDOM=${SEED:=$$}; echo "SEED=$SEED"
epochs=4 samples=700
killed=0 runs=0

fail() { echo "FAILED (SEED=$SEED, kill $killed): $*" >&2; exit 1; }
digest_of() { "$decant" verify "$1" --json | sed -n 's/.*"digest": "\([0-9a-f]*\)".*/\1/p'; }
sound() { "$decant" verify "$1" >report || fail "$2: $(cat report)"; }

# try COMMAND...: runs it, kills it after a random time; 0 when it ended by itself. The times of a phase go up and down
# with how often it ends, so that kills fall all over it.
declare -A limits
try() {
  local code=0 limit=${limits[$phase]:-100}
  "$@" >>log 2>errors & local pid=$!
  sleep "$(printf '0.%03d' $((RANDOM % (limit < 999 ? limit : 999))))"
  kill -9 $pid 2>/dev/null || true
  { wait $pid || code=$?; } 2>/dev/null
  runs=$((runs + 1))
  if [ $code -eq 0 ]; then limits[$phase]=$((limit * 3 / 4 + 2)); return 0; fi
  [ $code -eq 137 ] || fail "$*: exit code $code: $(cat errors)"
  killed=$((killed + 1))
  limits[$phase]=$((limit * 5 / 4 + 2))
  return 1
}

# finish CHECK COMMAND...: tries until it ends by itself, checks after every kill.
finish() {
  local check=$1
  shift
  while ! try "$@"; do $check; done
}

nothing() { :; }
check_written() {
  compgen -G "store/db*/CURRENT" >/dev/null || return 0
  "$decant" inspect store >/dev/null 2>report || { grep -q 'has no schema yet' report && return 0; fail "inspect: $(cat report)"; }
  sound store "killed while writing"
  "$make_store" read store log >/dev/null 2>report || fail "killed while writing: $(cat report)"
}
check_sound() { sound store "killed while $phase"; }
check_merged() {
  for part in part0 part1; do sound $part "the source $part after a merge was killed"; done
  "$decant" inspect store >/dev/null 2>&1 || return 0  # not begun
  check_sound
}
check_whole() {
  sound store "$phase"
  "$make_store" read store log >/dev/null 2>report || fail "$phase: $(cat report)"
  [ "$(digest_of store)" = "$expected" ] || fail "$phase: another digest"
}

write=("$make_store" write store $epochs $samples)
"${write[@]}" >/dev/null
expected=$(digest_of store); [ -n "$expected" ] || fail "no digest"
mv store whole
"$make_store" write part0 $epochs $samples 0 2 >/dev/null
"$make_store" write part1 $epochs $samples 1 2 >/dev/null
"$make_store" write few 2 $samples >/dev/null

while [ $killed -lt "$kills" ]; do
  rm -rf store log; : >log
  case $((RANDOM % 6)) in
    0) phase=writing; finish check_written "${write[@]}" ;;
    1) phase=merging; finish check_merged "$decant" merge store part0 part1 ;;
    2) phase=expiring; cp -a whole store
       finish check_sound "$decant" expire store --epochs 0:2
       sound store "expired"
       grep -q 'of the spans have expired' report || fail "nothing expired" ;;
    3) phase=extending; cp -a few store
       finish check_sound "$decant" extend store --epochs $epochs
       finish check_written "${write[@]}" ;;
    4) phase=repairing; cp -a whole store
       files=(store/db/*.sst); file=${files[$((1 + RANDOM % (${#files[@]} - 1)))]}
       chmod u+w "$file"
       case $((RANDOM % 3)) in
         0) rm "$file" ;;
         1) truncate -s 100 "$file" ;;
         2) printf '\x5a\x5a\x5a' | dd of="$file" bs=1 seek=$((20 + RANDOM % 200)) conv=notrunc status=none ;;
       esac
       "$decant" verify store >report && fail "damage not found"
       finish nothing "$decant" repair store
       sound store "repaired"
       spans=$("$decant" verify store --json | sed -n 's/.*"spans_committed": \([0-9]*\).*/\1/p')
       [ "$spans" -eq $((${#files[@]} - 2)) ] || fail "repair left $spans of $((${#files[@]} - 1)) spans"
       : >log
       finish check_written "${write[@]}" ;;
    5) phase=sealing; cp -a whole store; rm -f store/seal
       finish check_written "${write[@]}" ;;
  esac
  check_whole
done
echo "ok: $killed kills in $runs runs"
