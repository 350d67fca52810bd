#!/bin/sh
# Count to five, slowly
for number in 1 2 3 4 5; do
    echo "number $number"
    sleep 0.4
done
