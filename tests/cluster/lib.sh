# Sourced by the tests on a cluster: work folder and jobs of tests/scripts/lib.sh, hosts, and what a store's state is.
. "$(dirname "$0")/../scripts/lib.sh"
ledger=$3 make_store=${4:-}
. "$source/tests/cluster/hosts.sh"
. "$source/tests/cluster/slurm.sh"
. "$source/tests/cluster/gluster.sh"
clean_up() { hosts_down; rm -rf "$work"; }
trap clean_up EXIT

ok() { echo "ok: $*"; }

# field NAME: a number or text of what store_ledger says of a store.
field() { "$ledger" "$2" 2>/dev/null | sed -n "s/.*\"$1\":\"\?\([^,\"}]*\).*/\1/p"; }
num_committed() { local found; found=$(field committed "$1"); echo "${found:-0}"; }

# until_true SECONDS COMMAND...: waits until the command succeeds; fails the test when it does not in this time.
until_true() {
  local limit=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $limit ] || fail "waited in vain for: $* $(declare -F on_failure >/dev/null && on_failure)"
    sleep 0.1
  done
}
has_committed() { [ "$(num_committed "$1")" -ge "$2" ]; }

# The digest that every store of the job must have. Some seconds of work of three ranks.
make_job() {
  make_teacher
  sed -i "s/^epochs = .*/epochs = ${1:-100}/" labels.toml
  "$decant" produce labels.toml --labels.store=whole.decant >/dev/null 2>&1 || fail "an undisturbed run"
  expected=$(field digest whole.decant)
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
