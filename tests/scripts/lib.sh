# Sourced by the tests: a work folder with a small teacher and jobs.
set -euo pipefail
decant=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# Like grep -q, but reads to the end: a program whose pipe is closed early fails.
has() { [ "$(grep -c "$@")" -gt 0 ]; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# A teacher that was hardly trained: labels are labels.
cp "$source/examples/digits/digits.npz" .
cat > teacher.toml <<'TOML'
[data]
path = "digits.npz"
[student]
features = 16
[train]
labels = "hard"
epochs = 1
learning_rate = 0.01
checkpoint = "teacher.safetensors"
TOML
cat > labels.toml <<'TOML'
[data]
path = "digits.npz"
[views]
seed = 7
shift = 0.1
rotate = 10
shear = 0.1
brightness = 0.2
mixup = 0.5
[teacher]
path = "teacher.safetensors"
[labels]
store = "labels.decant"
epochs = 4
k = 5
chunk_size = 100
span_chunks = 3
TOML
cat > student.toml <<'TOML'
[data]
path = "digits.npz"
[labels]
store = "labels.decant"
[student]
features = 4
[train]
epochs = 3
checkpoint = "student.safetensors"
metrics = "student.jsonl"
TOML
make_teacher() { "$decant" train teacher.toml >/dev/null 2>&1; }
mpi() { local ranks=$1; shift; timeout 300 mpirun --bind-to none --oversubscribe -n "$ranks" "$decant" "$@"; }
digest_of() { "$decant" verify "$1" --json | sed -n 's/.*"digest": "\([0-9a-f]*\)".*/\1/p'; }
# expect CODE TEXT COMMAND...: it ends with this exit code and one line on stderr that has the text.
expect() {
  local code=$1 text=$2 found=0
  shift 2
  "$@" >stdout 2>stderr || found=$?
  [ "$found" -eq "$code" ] || fail "$*: exit code $found, expected $code: $(cat stderr)"
  [ "$(grep -c '^decant: ' stderr)" -eq 1 ] || fail "$*: expected one line, found: $(cat stderr)"
  grep -qF -- "$text" stderr || fail "$*: expected '$text' in: $(cat stderr)"
  echo "ok: exit $code: $(grep '^decant: ' stderr)"
}
