#!/bin/sh
# Counts for an hour, unless somebody stops it
set -u

count=0
trap 'echo "told to stop at $count: tidying up"; exit 143' TERM
while [ "$count" -lt 18000 ]; do
    count=$((count + 1))
    echo "counted to $count of 18000"
    sleep 0.2
done
