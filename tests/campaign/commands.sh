#!/usr/bin/env bash
# Wrong command lines, made from what --help lists, of every program and command: misspelt options and commands, words that are
# no numbers, numbers beyond their range, words that are not among those allowed, values that are missing, arguments too many.
# Run:     tests/campaign/commands.sh BUILD [CASES]      e.g. build/cpu 150; all without CASES: some minutes
# Expect:  exit code 2, one error that names the option and, for a misspelt one, the right name; nothing on standard output,
#          nothing written. "N passed, N failed"
set -u
cd "$(dirname "$0")/../.." || exit
. tests/campaign/common.sh
mkdir "$work/empty"; cd "$work/empty" || exit
no_help='minimal_regression minimal_listops minimal_generate skiff_tests'

# Every program, and every command of one: one line each.
commands() {  # WORD..
  local help sub
  help=$("$build/$1" "${@:2}" --help 2>/dev/null) || return
  echo "$*"
  for sub in $(awk '/^Subcommands:/ { on = 1; next } /^[^ ]|^$/ { on = 0 } on && /^  [a-z]/ { print $1 }' <<<"$help"); do
    commands "$@" "$sub"
  done
}
# From the help of a command: lines "name kind", kind being switch, words:a,b,.., range:low..high, integer, number or text.
options() {
  awk '/^  --/ {
    word = $1 " " $2 ($0 ~ /^  --[^ ]+ [{]/ ? substr($0, index($0, "{")) : "")
    name = $1; sub(/^--/, "", name); sub(/^\[no-\]/, "", name); sub(/[=,].*/, "", name)
    kind = "text"
    if ($1 ~ /^--\[no-\]/ || ($0 !~ /^  --[^ ]+ ([A-Z{]|-?[0-9.])/)) kind = "switch"
    else if (match($0, /[{][^}]*[}]/) && index($0, "{") < 30) { kind = "words:" substr($0, RSTART + 1, RLENGTH - 2); gsub(/ /, "", kind) }
    else if (match($2, /^-?[0-9.e+]+[.][.]-?[0-9e+.]+/)) { kind = $2; sub(/=.*/, "", kind); kind = "range:" kind }
    else if ($2 ~ /^(INT|UINT)/) kind = "integer"
    else if ($2 ~ /^NUMBER/) kind = "number"
    if (name != "help" && name != "version") print name, kind
  }'
}
misspelt() {  # NAME: two letters in its middle exchanged; nothing for short names and pairs of the same letter
  local at=$((${#1} / 2))
  [ ${#1} -ge 5 ] && [ "${1:at:1}" != "${1:at+1:1}" ] && echo "${1:0:at}${1:at+1:1}${1:at:1}${1:at+2}"
}
# Lines of a case: what is wrong, what the error has to say, the words. Positional arguments that a program needs are given.
cases() {  # COMMAND..
  local help line="$*" given name kind low high wrong listed
  help=$("$build/$1" "${@:2}" --help)
  given=$(awk '/^Positionals:/ { on = 1; next } /^$/ { on = 0 } on && /REQUIRED/ { printf " x" }' <<<"$help")
  grep -q '^  --out TEXT REQUIRED' <<<"$help" && given+=' --out x'
  listed=" $(options <<<"$help" | cut -d' ' -f1 | tr '\n' ' ') "
  if grep -q '^Subcommands:' <<<"$help"; then
    for name in $(commands "$@" | awk -v n=$#  'NF == n + 1 { print $NF }'); do
      wrong=$(misspelt "$name") && echo "near|did you mean '$name'|$line $wrong"
    done
    echo "command|unknown command|$line nonsense"
    echo "none|required|$line"
  else
    grep -q '^Positionals:.*' <<<"$help" || echo "argument|unexpected argument 'surplus'|$line$given surplus"
  fi
  echo "unknown|unknown option '--no-such-option-at-all'|$line$given --no-such-option-at-all"
  echo "unknown|unknown option '-q'|$line$given -q"
  while read -r name kind; do
    wrong=$(misspelt "$name") && [[ $listed != *" $wrong "* ]] && echo "near|did you mean '--$name'|$line$given --$wrong 1"
    case $kind in
      switch) echo "switch|--$name|$line$given --$name=perhaps"; continue ;;
      words:*) echo "word|--$name|$line$given --$name no-such-word" ;;
      range:*)
        low=${kind#range:}; high=${low##*..}; low=${low%%..*}
        for wrong in x 1x nan "$(awk -v n="$low" 'BEGIN { printf "%.17g", n - 1 }')" "$(awk -v n="$high" 'BEGIN { printf "%.17g", n * 2 + 1 }')" 1e999; do
          echo "range|--$name|$line$given --$name $wrong"
        done ;;
      integer | number) for wrong in x 1x 1e999; do echo "number|--$name|$line$given --$name $wrong"; done ;;
    esac
    echo "missing|--$name|$line$given --$name"
  done < <(options <<<"$help")
}
for program in "$build"/*; do
  if [ ! -f "$program" ] || [ ! -x "$program" ]; then continue; fi
  [[ " $no_help " == *" ${program##*/} "* || $program == *_probe ]] && continue
  while read -r line; do
    # shellcheck disable=SC2086
    cases $line
  done < <(commands "${program##*/}")
done >"$work/cases"
echo "$(cut -d'|' -f3 "$work/cases" | cut -d' ' -f1 | sort -u | wc -l) programs, $(wc -l <"$work/cases") wrong command lines: \
$(cut -d'|' -f1 "$work/cases" | sort | uniq -c | sort -rn | awk '{ printf "%s%s %s", sep, $1, $2; sep = ", " }')"

refused() {  # WORDS
  one_error 2 && [ "$(sed -n 1p "$work/err" | grep -cF -- "$1")" = 1 ] && [ ! -s "$work/out" ] && [ -z "$(ls -A)" ]
}
while IFS='|' read -r _ words line; do
  # shellcheck disable=SC2086
  attempt "$build"/$line
  try "$line" refused "$words"
  find . -mindepth 1 -delete
done < <(some "${2:-100000}" <"$work/cases")
tally "wrong command lines: exit code 2, one line that names what is wrong, nothing written"
end
