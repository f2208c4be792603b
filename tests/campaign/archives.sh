#!/usr/bin/env bash
# Hostile archives: members named .., with absolute names, links, devices, names that are no UTF-8 or have escape sequences, zeros
# that compress well, very many members, sparse files, archives that are cut.
# Run:     tests/campaign/archives.sh BUILD [MB]     1000 MB of zeros and a million members without MB: a minute
# Expect:  exit code 0, or 3 and one printable line, in 10 seconds of the processor and 64 MB more than a harmless archive
#          needs; nothing is written anywhere but the cache. "N passed, N failed"
set -u
cd "$(dirname "$0")/../.." || exit
. tests/campaign/common.sh
mb=${2:-1000}
review=aclImdb/train/neg/1_1.txt
mkdir "$work/make" "$work/text"

harmless() {
  local split label i
  rm -rf "$work/make"; mkdir "$work/make"
  for split in train test; do for label in neg pos; do
    mkdir -p "$work/make/aclImdb/$split/$label"
    for ((i = 1; i <= 20; ++i)); do seq -s " $label $split " 100 >"$work/make/aclImdb/$split/$label/${i}_1.txt"; done
  done; done
}
pack() { tar -C "$work/make" -czf "$work/hostile.tar.gz" "$@" 2>"$work/err"; }
harmless; pack aclImdb

# The least address space, in steps of 10 MB, with which the harmless archive is read.
reads() {  # MB PROGRAM
  local limit=$1
  rm -rf "$work/text"; mkdir "$work/text"; cp "$work/hostile.tar.gz" "$work/text/aclImdb_v1.tar.gz"
  # shellcheck disable=SC2016,SC2046
  attempt bash -c 'ulimit -v "$0"; ulimit -t 10; exec "$@"' $((limit * 1024)) "$build/$2" check \
    $([ "$2" = lra_data ] && echo "$work/text" || echo "$work/text/aclImdb_v1.tar.gz")
}
declare -A least=()
for program in lra_data lm_data; do
  for ((least[$program] = 400; least[$program] < 1000; least[$program] += 10)); do
    reads "${least[$program]}" $program
    [ "$code" = 0 ] && break
  done
  [ "$code" = 0 ] || { verdict "$program reads a harmless archive" false; end; }
  verdict "$program reads the harmless archive, with ${least[$program]} MB of address space" test "$code" = 0
done

bounded() {
  [ "$code" = 0 ] || { one_error 3 && [ "$(wc -l <"$work/err")" -le 20 ] && [ ! -s "$work/escaped" ]; } || return 1
  ! LC_ALL=C grep -q "$(printf '\033')" "$work/err" "$work/out" && [ ! -e "$work/escaped" ] &&
    [ -z "$(find "$work/text" -mindepth 1 ! -name 'aclImdb_v1*')" ]
}
hostile() {  # NAME: what is packed in hostile.tar.gz
  local program
  for program in "${!least[@]}"; do
    reads $((least[$program] + 64)) $program
    try "$1, read by $program" bounded
  done
}
harmless; pack --transform 's,aclImdb/train/neg/1_1.txt,../escaped,' aclImdb; hostile 'a member named ..'
harmless; pack -P --transform "s,aclImdb/train/neg/1_1.txt,$work/escaped," aclImdb; hostile 'an absolute name'
harmless; ln -sf ../../../../escaped "$work/make/$review"; pack aclImdb; hostile 'a link out of the tree'
harmless; ln -f "$work/make/aclImdb/train/pos/1_1.txt" "$work/make/$review"; pack aclImdb; hostile 'a hard link'
harmless; rm "$work/make/$review"; mkfifo "$work/make/$review"; pack aclImdb; hostile 'a pipe'
harmless; rm "$work/make/$review"; mkdir "$work/make/$review"; pack aclImdb; hostile 'a folder in place of a file'
harmless; echo x >"$work/make/aclImdb/train/neg/"$'\xff\xfe_1.txt'; pack aclImdb; hostile 'a name that is no UTF-8'
harmless; echo x >"$work/make/aclImdb/train/neg/"$'\033]0;x\a\033[31m_1.txt'; pack aclImdb; hostile 'a name with escape sequences'
harmless; echo x >"$work/make/aclImdb/train/neg/"$'2_\n1.txt'; pack aclImdb; hostile 'a name with a line end'
harmless; truncate -s "${mb}M" "$work/make/$review"; pack aclImdb; hostile "$mb MB of zeros in one member"
harmless; truncate -s 100G "$work/make/$review"; pack -S aclImdb; hostile 'a sparse file of 100 GB'
head -c "${mb}M" /dev/zero | gzip -1 >"$work/hostile.tar.gz"; hostile "$mb MB of zeros and nothing else"
harmless; pack aclImdb; head -c 200 "$work/hostile.tar.gz" >"$work/cut"; mv "$work/cut" "$work/hostile.tar.gz"; hostile 'an archive that is cut'
printf 'no archive at all' >"$work/hostile.tar.gz"; hostile 'a file that is no archive'
# Very many empty members, by doubling one.
harmless; : >"$work/make/$review"
tar -C "$work/make" -cf - "$review" | head -c 512 >"$work/many"
for ((members = 1; members < mb * 1000; members *= 2)); do cat "$work/many" "$work/many" >"$work/twice"; mv "$work/twice" "$work/many"; done
gzip -1 <"$work/many" >"$work/hostile.tar.gz"; rm "$work/many"; hostile "$members members"
tally "hostile archives: refused or read, within their bounds"
end
