#!/usr/bin/env bash
# Which lines the tests run, by folder: gcov on a build of its own, in which nothing is inlined.
# Run:     tests/campaign/coverage.sh [TESTS]        50 minutes, half of them compiling; TESTS: a filter of doctest, e.g. '--test-case=*rfft*'
# Expect:  a table; at least 92 % of the library's lines, 97 % of the parsers' and the checkpoints'. build/coverage/lines.csv
#          has every file, build/coverage/missed.txt the lines that no test reached
set -u
cd "$(dirname "$0")/../.." || exit
command -v gcovr >/dev/null || { echo "skipped: gcovr was not found; 'apt-get install gcovr' installs it"; exit 77; }
build=build/coverage
make=(make PCH=0 OPT=-O0 EXTRA="--coverage -fprofile-update=atomic -fno-inline" BUILD=$build)
"${make[@]}" -s all tests || { echo '0 passed, 1 failed'; exit 1; }
find $build -name '*.gcda' -delete
# What gcov itself has to say must not stand where tests read what a program said.
export GCOV_ERROR_FILE=$PWD/$build/gcov.log
SKIFF_PROGRAMS=$build $build/skiff_tests --test-case-exclude='slow:*' "$@" >$build/tests.log 2>&1; tests=$?
tail -n 1 $build/tests.log; grep -B 4 'ERROR: ' $build/tests.log | grep '^TEST CASE:'
$build/golden tests/reference >/dev/null
gcovr --root . --object-directory $build --exclude-unreachable-branches --exclude-throw-branches --csv --output $build/lines.csv \
  --txt $build/missed.txt --filter '(core|autograd|layers|optim|data|examples)/' $build || { echo '0 passed, 1 failed'; exit 1; }
# Folders, then the library and what reads files and keeps runs; 'below' marks what misses its limit.
awk -F, '
  NR == 1 { next }
  {
    n = split($1, part, "/")
    folder = part[1] (n > 2 ? "/" part[2] : "")
    if ($1 ~ /^autograd\/ops\//) folder = "autograd/ops"
    total[folder] += $2; covered[folder] += $3
    if ($1 !~ /^examples\//) { total["~library"] += $2; covered["~library"] += $3 }
    if ($1 ~ /^(core\/io|data\/files|data\/tasks)\// || $1 ~ /^data\/(cache|language\/(text_|token_|vocabulary))/ ||
        $1 ~ /^examples\/train\/(checkpoint|trainer_checkpoints|kept|config_file|run_folder|metrics|result)\./) {
      total["~parsers and checkpoints"] += $2; covered["~parsers and checkpoints"] += $3
    }
  }
  END { for (f in total) printf "%s|%d|%d\n", f, total[f], covered[f] }' $build/lines.csv | sort |
  awk -F'|' -v tests=$tests '
    BEGIN { limit["~library"] = 92; limit["~parsers and checkpoints"] = 97; printf "%-28s %8s %8s %8s\n", "folder", "lines", "run", "percent" }
    {
      percent = 100 * $3 / $2; name = $1; sub("~", "", name)
      below = ($1 in limit) && percent < limit[$1]
      printf "%-28s %8d %8d %8.1f%s\n", name, $2, $3, percent, below ? "  below " limit[$1] : ""
      if ($1 in limit) below ? failed++ : passed++
    }
    END { tests == 0 ? passed++ : failed++; printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }'
