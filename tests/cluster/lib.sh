# Sourced by the tests on a cluster: work folder and jobs of tests/scripts/lib.sh, hosts, and what a store's state is.
. "$(dirname "$0")/../scripts/lib.sh"
ledger=$3 make_store=${4:-}
. "$source/tests/cluster/hosts.sh"
. "$source/tests/cluster/slurm.sh"
. "$source/tests/cluster/gluster.sh"
fail() { echo "FAILED (SEED=$SEED): $*" >&2; exit 1; }
clean_up() { hosts_down; rm -rf "$work"; }
trap clean_up EXIT

RANDOM=${SEED:=$$}
ok() { echo "ok: $*"; }

# field NAME: a number or text of what store_ledger says of a store.
field() { "$ledger" "$2" 2>/dev/null | sed -n "s/.*\"$1\":\"\?\([^,\"}]*\).*/\1/p"; }
num_committed() { local found; found=$(field committed "$1"); echo "${found:-0}"; }

# until_true SECONDS COMMAND...: waits until the command succeeds; fails the test when it does not in this time. It pauses for three
# times as long as asking takes: what is waited for needs the processor, too.
until_true() {
  local limit=$((SECONDS + $1)) begun pause
  shift
  while begun=${EPOCHREALTIME/./}; ! "$@"; do
    [ $SECONDS -lt $limit ] || fail "waited in vain for: $* $(declare -F on_failure >/dev/null && on_failure)"
    pause=$((50000 + 3 * (${EPOCHREALTIME/./} - begun)))
    printf -v pause '%d.%06d' $((pause / 1000000)) $((pause % 1000000))
    sleep "$pause"
  done
}
has_committed() { [ "$(num_committed "$1")" -ge "$2" ]; }

# make_job EPOCHS: teacher and job, of 4 spans an epoch, and the digest that every store of it must have, $expected. Made once for all
# tests of a build, where DECANT_JOB_FOLDER says that they share it.
make_job() {
  local folder
  folder=${DECANT_JOB_FOLDER:-$work}/job-$1-$(stat --format=%Y-%s "$decant")
  sed -i "s/^epochs = .*/epochs = $1/" labels.toml
  if [ ! -e "$folder" ]; then
    make_teacher
    "$decant" produce labels.toml --labels.store=whole.decant >/dev/null 2>&1 || fail "an undisturbed run"
    mkdir -p made "$(dirname "$folder")"
    field digest whole.decant >made/expected
    cp teacher.safetensors made
    rm -rf whole.decant
    mv --no-target-directory made "$folder" 2>/dev/null || [ -e "$folder" ] || fail "cannot keep the job in $folder"
  fi
  cp "$folder/teacher.safetensors" .
  expected=$(cat "$folder/expected")
  [ ${#expected} -eq 64 ] || fail "no digest: '$expected'"
}

# A store is complete, sound to the program itself, and has the digest of the undisturbed one.
check_complete() {
  "$decant" verify "$1" >verified 2>&1 || fail "$2: verify: $(cat verified)"
  grep -q '^verdict: sound$' verified || fail "$2: $(cat verified)"
  [ "$(field digest "$1")" = "$expected" ] || fail "$2: digest $(field digest "$1"), expected $expected"
  ok "$2: complete, sound, the same digest"
}
check_sound() { "$decant" verify "$1" >verified 2>&1 && grep -q '^verdict: sound' verified || fail "$2: $(cat verified)"; }
