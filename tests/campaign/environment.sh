#!/usr/bin/env bash
# One run in many environments: locales, time zones, no home, odd terminals of any width, clocks far off, a closed or full
# standard output or error, a reader that goes away, a large environment, another folder, an odd umask.
# Run:     tests/campaign/environment.sh BUILD       seconds; with a locale de_DE.UTF-8 and faketime where they are installed
# Expect:  the bytes of the first run in every file but for times, and no word on standard error that is not that run's.
#          "N passed, N failed"
set -u
cd "$(dirname "$0")/../.." || exit
. tests/campaign/common.sh
make_data
before="env -u NO_COLOR TERM=xterm" train whole
verdict "the first run ends" test "$code" = 0
said() { sed -e "s,$work/[a-z0-9-]*,FOLDER,g" -e '/^trained /d' "$1"; }
said "$work/out" >"$work/first_out"; said "$work/err" >"$work/first_err"

count=0
# What a locale could write in another way, besides the numbers of metrics.csv.
same_texts() {  # FOLDER OTHER
  cmp "$1/curves.svg" "$2/curves.svg" &&
    diff <(grep -v '^out=' "$1/config.toml") <(grep -v '^out=' "$2/config.toml") &&
    diff <(grep -vE '"(run_folder|threads|seconds|tokens_per_second|peak_[a-z_]*)"' "$1/result.json") \
      <(grep -vE '"(run_folder|threads|seconds|tokens_per_second|peak_[a-z_]*)"' "$2/result.json")
}
same() { same_end whole "run-$count" && same_texts "$work/whole" "$work/run-$count" && [ "$(said "$work/err")" = "$(cat "$work/first_err")" ]; }
same_output() { same && [ "$(said "$work/out")" = "$(cat "$work/first_out")" ]; }
with() {  # NAME VARIABLE=VALUE.. or OPTION of env
  local name=$1; shift
  count=$((count + 1))
  before="env $*" train "run-$count"
  verdict "$name" same_output
}
# Other kernels of OpenBLAS would round otherwise.
# shellcheck disable=SC2046
with 'no environment at all' -i OMP_NUM_THREADS=1 $(env | grep '^OPENBLAS_')
with 'LC_ALL=C' LC_ALL=C
with 'LC_ALL=C.utf8' LC_ALL=C.utf8
if locale -a 2>/dev/null | grep -qi 'de_DE.utf-\?8'; then
  with 'LC_ALL=de_DE.UTF-8, where the decimal point is a comma' LC_ALL=de_DE.UTF-8
elif command -v localedef >/dev/null && localedef -i de_DE -f UTF-8 "$work/de_DE.UTF-8" 2>/dev/null; then
  with 'LC_ALL=de_DE.UTF-8, where the decimal point is a comma' LOCPATH="$work" LC_ALL=de_DE.UTF-8
else
  echo "left out: no locale de_DE.UTF-8; 'apt-get install locales' installs its source"
fi
with 'a locale that does not exist' LC_ALL=xx_YY.UTF-8 LANG=nonsense LANGUAGE=de
with 'TZ at the other end of the world' TZ=Pacific/Kiritimati
with 'TZ that does not exist' TZ=Nowhere/None
with 'no HOME' -u HOME -u XDG_CACHE_HOME
with 'a HOME that does not exist' HOME=/nonexistent XDG_CACHE_HOME=/nonexistent/cache
with 'no TMPDIR that exists' TMPDIR=/nonexistent
with 'TERM=dumb' TERM=dumb
with 'no TERM' -u TERM
with 'COLUMNS=1' COLUMNS=1 LINES=1
with 'COLUMNS that is no number' COLUMNS=x
with 'numbers of threads that are none' OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=0
with '100 kB in one variable' "LONG=$(head -c 100000 /dev/zero | tr '\0' x)"
if command -v faketime >/dev/null; then
  for time in '1971-01-01 00:00:00' '2037-12-31 23:59:59' '+1y x0.1' '-1y x100'; do
    count=$((count + 1))
    # shellcheck disable=SC2086
    attempt faketime -f "$time" "$build/train_lra" $tiny --out "$work/run-$count"
    verdict "a clock at $time" same
  done
else
  echo "left out: clocks; faketime was not found, 'apt-get install faketime' installs it"
fi

shell() {  # NAME LINE..: a line of the shell, in which $run is the program with its options
  local name=$1; shift
  count=$((count + 1))
  attempt env run="$build/train_lra $tiny --out $work/run-$count" bash -c "$*"
}
# With a closed standard output, /dev/full or a pipe that no one reads, the run is whole, and the error says what was lost.
whole_but_unsaid() { one_error 5 'cannot write to standard output' && { code=0; same_end whole "run-$count"; }; }
silent() { code=0; same_end whole "run-$count"; }
shell '' 'exec $run >&-'
verdict 'a closed standard output' whole_but_unsaid
shell '' 'exec $run >/dev/full'
verdict 'a full standard output' whole_but_unsaid
shell '' 'exec $run 2>&-'
verdict 'a closed standard error' same_output
shell '' 'exec $run 2>/dev/full'
verdict 'a full standard error' same_output
shell '' 'exec $run <&- >&- 2>&-'
verdict 'all three closed' silent
shell '' '$run | true; exit ${PIPESTATUS[0]}'
verdict 'a reader of standard output that goes away' whole_but_unsaid
shell '' '${run/--quiet/} 2>&1 >/dev/null | head -n 1; exit ${PIPESTATUS[0]}'
verdict 'a reader of standard error that goes away' silent
shell '' 'trap "" PIPE HUP; exec $run'
verdict 'signals that the parent ignores' same_output
shell '' 'umask 077; exec $run'
verdict 'umask 077' same_output
verdict 'umask 077 holds for the files' test -z "$(find "$work/run-$count" -type f -perm /077)"
if command -v script >/dev/null; then
  for width in 1 2 20 500; do
    count=$((count + 1))
    attempt env TERM=xterm script -qec "stty cols $width rows 1; $build/train_lra ${tiny/--quiet/} --out $work/run-$count" /dev/null
    verdict "a terminal of $width columns" silent
  done
else
  echo "left out: terminals; script was not found, 'apt-get install bsdutils' installs it"
fi
end
