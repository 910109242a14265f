#!/bin/sh
# check_table.sh <program> <document>: the document holds, between its two marks, what the program prints.
set -eu
name=$(basename "$1")
held=$(sed -n "/^<!-- printed by $name -->\$/,/^<!-- end -->\$/p" "$2" | sed '1d;$d')
printed=$("$1")
[ -n "$printed" ] && [ "$held" = "$printed" ] && exit 0
echo "$2 does not hold what $1 prints; put this between its marks:"
printf '%s\n' "$printed"
exit 1
