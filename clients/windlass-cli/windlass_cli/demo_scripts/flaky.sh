#!/bin/sh
# Fails twice, succeeds at the third attempt
set -u

attempt=${WINDLASS_ATTEMPT:-1}
echo "attempt $attempt: asking a service that is still starting"
if [ "$attempt" -lt 3 ]; then
    echo "connection refused" >&2
    exit 75
fi
echo "it answers"
