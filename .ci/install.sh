#!/usr/bin/env bash
# What `make install` and `make uninstall` do: install.sh BUILD PREFIX LIBS PROGRAM.. | install.sh --remove PREFIX
# share/skiff/installed lists the files, one path below PREFIX per line; only these are removed again. The headers
# are those that examples/skiff.h includes. They become <skiff/...>, also where they include each other, so that
# no folder of a client called core or data comes in between. DESTDIR is put before PREFIX, as usual.
set -euo pipefail
remove() {  # the files of an earlier installation, and the folders that are empty then
  local list=$1/share/skiff/installed file
  [ -e "$list" ] || return 0
  while read -r file; do rm -f "$1/$file"; done <"$list"
  rm -f "$list"
  find "$1/include/skiff" "$1/share/skiff" -depth -type d -empty -delete 2>/dev/null || true
}
if [ "$1" = --remove ]; then
  remove "${DESTDIR:-}$2"
  exit
fi

build=$1 prefix=$2 libs=$3 place=${DESTDIR:-}$2; shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
put() {  # MODE FILE PATH
  echo "$3" >>"$place/share/skiff/installed"  # first, so that what a failure leaves can be uninstalled
  install -D -m "$1" "$2" "$place/$3"
}
remove "$place"
mkdir -p "$place/share/skiff"

for program in "$@"; do put 755 "$build/$program" "bin/skiff-$program"; done
put 644 "$build/libskiff.a" lib/libskiff.a

headers=$(${CXX:-g++} -std=c++20 -I. -MM examples/skiff.h | tr -d '\\' | cut -d: -f2)  # a failure ends this here
for header in $headers; do
  sed -E 's,^(#include ")((core|autograd|layers|optim|data)/),\1skiff/\2,' "$header" >"$work/header.h"
  put 644 "$work/header.h" "include/skiff/${header#examples/}"
done

cat >"$work/skiff.pc" <<PC
prefix=$prefix
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: skiff
Description: Deep learning in C++20: Toeplitz neural networks on a tape
Version: $(sed -n 's/.*kVersion = "\(.*\)".*/\1/p' core/version.h)
Cflags: -std=c++20 -I\${includedir} -fopenmp
Libs: -L\${libdir} -lskiff $libs -fopenmp
PC
put 644 "$work/skiff.pc" lib/pkgconfig/skiff.pc
