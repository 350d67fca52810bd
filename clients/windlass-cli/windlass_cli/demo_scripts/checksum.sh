#!/bin/sh
# Checksum of a tree: one line for each thing in it, and one for all of them
set -eu

cd "$1"
sums="${TMPDIR:-/tmp}/sums"
: > "$sums"
for entry in *; do
    sum=$(find "./$entry" -type f ! -name '*.pyc' -exec sha256sum {} + | sort | sha256sum | cut -c1-16)
    echo "$sum  $entry" | tee -a "$sums"
done
echo "$(sha256sum < "$sums" | cut -c1-16)  all of $1"
