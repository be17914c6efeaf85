#!/bin/bash
# `decant submit` without a Slurm: what --dry-run prints is the script of docs/cluster.md; mistakes are found before a queue.
set -euo pipefail
decant=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $*" >&2; exit 1; }
expect() {  # CODE TEXT COMMAND...
  local code=$1 text=$2 found=0
  shift 2
  "$@" >out 2>err || found=$?
  [ $found -eq "$code" ] || fail "$*: exit code $found, expected $code: $(cat out err)"
  grep -qF -- "$text" out err || fail "$*: expected '$text' in: $(cat out err)"
  echo "ok: exit $code: $text"
}
cat >labels.toml <<'TOML'
[data]
path = "photos"
[teacher]
path = "teacher.pt"
[labels]
store = "labels.decant"
TOML

# The one command of the docs that shows a script, run as it stands there.
command=$(sed -n 's/^\$ decant submit labels.toml \(--nodes=2 .*\)$/\1/p' "$source/docs/cluster.md")
[ -n "$command" ] || fail "docs/cluster.md has no command to compare with"
awk '/^```bash$/ {on = 1; next} /^```$/ {on = 0} on' "$source/docs/cluster.md" >documented
# shellcheck disable=SC2086
PATH=$(dirname "$decant"):$PATH decant submit labels.toml $command --dry-run >printed
diff documented printed || fail "docs/cluster.md shows another script than submit prints"
bash -n printed

mkdir "my jobs"
cp labels.toml "my jobs/a job's.toml"
expect 0 "store='my jobs/labels.decant'" "$decant" submit "my jobs/a job's.toml" --dry-run
expect 0 "#SBATCH --job-name=a-job-s" "$decant" submit "my jobs/a job's.toml" --dry-run
expect 0 "'--labels.store=\$(x)'" "$decant" submit labels.toml '--labels.store=$(x)' --dry-run
bash -n out
expect 0 "#SBATCH --account=a b" "$decant" submit labels.toml --dry-run '--sbatch=--account=a b' --sbatch=-q --setup='module load x'
expect 0 "#SBATCH --array=0-99%10" "$decant" submit labels.toml --dry-run --array=100%10
expect 0 '"$decant" merge' "$decant" submit labels.toml --dry-run --array=100
for array in 0 x 3% %3 3%0 -1 3x 1000000; do
  expect 2 "--array is" "$decant" submit labels.toml --dry-run "--array=$array"
done
expect 2 "did you mean 'labels.k'" "$decant" submit labels.toml --dry-run --labels.kk=3
expect 2 "data.path is missing" "$decant" submit labels.toml --dry-run --data.path=
expect 3 "nothing.toml" "$decant" submit nothing.toml --dry-run
expect 2 "--launcher" "$decant" submit labels.toml --dry-run --launcher=flux
expect 2 "--nodes" "$decant" submit labels.toml --dry-run '--nodes=2;x'
expect 7 "there is no sbatch here" env PATH=/nowhere "$decant" submit labels.toml
