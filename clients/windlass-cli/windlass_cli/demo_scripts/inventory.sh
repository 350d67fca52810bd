#!/bin/sh
# Inventory of disks and processes
set -u

processors=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo "an unknown number of")
echo "$(uname -n): $(uname -s) $(uname -r), $processors processors, up for $(cut -d. -f1 /proc/uptime) s"

echo
echo "disks:"
df -hP 2>/dev/null | awk 'NR == 1 || $1 ~ "^/" || $6 == "/"'

echo
echo "memory:"
awk '/^(MemTotal|MemAvailable|SwapTotal|SwapFree):/ { printf "%-14s %8.1f MB\n", $1, $2 / 1024 }' /proc/meminfo

echo
echo "the ten largest processes:"
for status in /proc/[0-9]*/status; do
    # A process may end between the listing and the look.
    awk '/^Name:/ { name = $2 } /^Pid:/ { pid = $2 } /^VmRSS:/ { print $2, pid, name }' "$status" 2>/dev/null
done | sort -rn | head -n 10 | awk '{ printf "%8.1f MB  %7d  %s\n", $1 / 1024, $2, $3 }'
