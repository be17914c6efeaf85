#!/bin/bash
# docs/job.md names every key of the job file, and no other; docs/cli.md names every command.
set -euo pipefail
source=$2
cd "$source"
failed=0
keys=$(grep -oE '^ *\{"[a-z_]+\.[a-z_]+"' cli/job.cc | grep -oE '[a-z_]+\.[a-z_]+')
[ "$(echo "$keys" | wc -l)" -gt 30 ] || { echo "cannot find the keys in cli/job.cc"; exit 1; }
for key in $keys; do
  grep -qE "^\| \`$key\`" docs/job.md || { echo "docs/job.md has no row for $key"; failed=1; }
done
for key in $(grep -oE '^\| `[a-z_]+\.[a-z_]+`' docs/job.md | grep -oE '[a-z_]+\.[a-z_]+'); do
  grep -qxF "$key" <<<"$keys" || { echo "docs/job.md names $key, which is no key"; failed=1; }
done
subcommands() { grep -ohE "$1.add_subcommand\(\s*\"[a-z]+\"" -z cli/*.cc | tr '\0' '\n' | grep -oE '"[a-z]+"' | tr -d '"'; }
for command in $(subcommands program) $(subcommands bench | sed 's/^/bench./'); do
  grep -q "decant ${command/./ }" docs/cli.md || { echo "docs/cli.md does not name decant ${command/./ }"; failed=1; }
done
exit $failed
