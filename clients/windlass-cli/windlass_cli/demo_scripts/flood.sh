#!/bin/sh
# Says far more than anybody will read: the server keeps the beginning and the end, and counts the rest
awk 'BEGIN { for (n = 1; n <= 200000; n++) print "line " n " of 200000, which nobody will read to its end" }'
