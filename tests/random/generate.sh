#!/usr/bin/env bash
# Random command lines for `generate`: generate.sh BUILD SECONDS [SEED], best after a build with SAN=1.
# Every one is valid, so it has to end with exit code 0 and without a word of a sanitizer; each fifth
# runs a second time with another number of threads and must write the same bytes. A failure prints
# its command line, with which it can be repeated; the last line says how many ran.
set -u
build=$1 seconds=$2 seed=${3:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
RANDOM=$seed
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

of() { local n=$((RANDOM % $#)); shift $n; printf '%s' "$1"; }  # one of the arguments

# ---- models: every mixer, and every kind of token ----
for _ in $(seq 60); do
  echo 'Über die Brücke, sagte er: 你好 — naïve café, “quoted” words, and 3 plain lines.'
  echo 'A second line; a third one follows it, with the same few words in another order.'
done >"$work/text.txt"
runs=()
train() {  # NAME OPTION..
  local name=$1; shift
  "$build/train_lm" --data "$work/text.txt" --split 0.8,0.2,0 --recipe demo --layers 2 --dim 16 --length 32 --batch-size 2 --steps 3 \
    --threads 1 --quiet --sample-tokens 0 --ngram 0 --eval-limit 200 --test-limit 200 --out "$work/$name" "$@" >"$work/log" 2>&1 ||
    { cat "$work/log"; exit 1; }
  runs+=("$name")
}
for mixer in ski tno fd attention; do train "$mixer-bytes" --mixer $mixer --units bytes; done
train tno-characters --mixer tno --units characters --tno-decay learned
train fd-free --mixer fd --fd-points 8 --units characters
train ski-words --mixer ski --units words --inducing-points 4
train tno-double --mixer tno --units bytes --dtype float64 --norm layer

prompt() {  # RUN: a piece of the text that has only tokens of the vocabulary, or any bytes, or nothing
  case $(of text text any none) in
    text)
      case $1 in
        *words*) head -n $((RANDOM % 5)) "$work/text.txt" ;;
        *) head -c $((RANDOM % 3000)) "$work/text.txt" | iconv -c -f UTF-8 -t UTF-8 2>/dev/null ;;
      esac ;;
    any)
      case $1 in
        *characters* | fd-free | *words*) head -n 1 "$work/text.txt" ;;
        *) head -c $((RANDOM % 200 + 1)) /dev/urandom ;;
      esac ;;
    none) : ;;
  esac
}

count=0 again=0 failed=0
end=$((SECONDS + seconds))
while [ $SECONDS -lt $end ]; do
  run=$(of "${runs[@]}")
  case $run in
    attention*) method=$(of auto naive) ;;
    ski*) method=$(of auto naive dense online states prefix) ;;
    *) method=$(of auto naive dense online states) ;;
  esac
  prompt "$run" >"$work/prompt"
  options=(--method "$method" --tokens $((RANDOM % 150)) --seed $RANDOM --samples $((RANDOM % 3 + 1)) --temperature "$(of 0 0.3 0.8 1 5)"
    --top-k "$(of 0 1 3 40 100000)" --top-p "$(of 0 0.1 0.9 1)" --context "$(of 0 1 2 17 32 64 200)" --states "$(of 1 4 16)" --exact-lags "$(of 0 1 8 32)")
  [ -s "$work/prompt" ] && options+=(--prompt-file "$(of "$work/prompt" "$work/prompt" -)")
  [ $((RANDOM % 3)) = 0 ] && options+=(--stop "$(of e 'the' $'\n' 'é' '你好' 'never there')")
  [ $((RANDOM % 4)) = 0 ] && options+=(--stop "$(of ' ' 'q' 'line')")
  [ $((RANDOM % 4)) = 0 ] && options+=("$(of --json --raw --ignore-eos --no-echo --compare --quiet)")
  write() {  # THREADS
    "$build/generate" "$work/$run" "${options[@]}" --threads "$1" <"$work/prompt" >"$work/out" 2>"$work/err"
  }
  write $((RANDOM % 2 + 1))
  status=$? count=$((count + 1))
  problem=
  [ $status = 0 ] || problem="exit code $status"
  grep -qE 'AddressSanitizer|LeakSanitizer|runtime error' "$work/err" && problem="a sanitizer's word"
  if [ -z "$problem" ] && [ $((count % 5)) = 0 ] && [[ " ${options[*]} " != *" --compare "* && " ${options[*]} " != *" --json "* ]]; then
    cp "$work/out" "$work/first"
    write "$(of 1 2)" && cmp -s "$work/first" "$work/out" || problem="another text the second time"
    again=$((again + 1))
  fi
  if [ -n "$problem" ]; then
    failed=$((failed + 1))
    printf 'FAILED: %s: generate %s' "$problem" "$run"
    printf ' %q' "${options[@]}"
    printf '\n'
    tail -n 25 "$work/err"
    cp "$work/prompt" "/tmp/generate-prompt-$failed"
  fi
done
echo "generate: $count random command lines, $again of them twice, in $seconds s: $failed failed"
[ $failed = 0 ]
