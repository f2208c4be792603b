#!/usr/bin/env bash
# Random command lines for `generate`: generate.sh BUILD SECONDS [SEED], best after a build with SAN=1.
# Every one is valid, so it has to end with exit code 0 and without a word of a sanitizer; each fifth
# runs a second time with another number of threads and must write the same bytes. The same seed
# gives the same command lines. A failure prints its command line and keeps the runs, so that it can
# be repeated; the last line says how many ran.
set -u
build=$1 seconds=$2 seed=${3:-1}
work=$(mktemp -d)
failed=1
trap '[ $failed = 0 ] && rm -rf "$work"' EXIT
RANDOM=$seed
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

# $pick: one of the arguments. No subshell, since each would have random numbers of its own.
of() { shift $((RANDOM % $#)); pick=$1; }

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
  of text text any none
  case $pick-$1 in
    text-*words*) head -n $((RANDOM % 5)) "$work/text.txt" ;;
    text-*) head -c $((RANDOM % 3000)) "$work/text.txt" | iconv -c -f UTF-8 -t UTF-8 2>/dev/null ;;
    any-*characters* | any-fd-free | any-*words*) head -n 1 "$work/text.txt" ;;
    any-*) for ((k = RANDOM % 200; k >= 0; --k)); do printf "\\x$(printf %02x $((RANDOM % 256)))"; done ;;
  esac
}

count=0 again=0 failures=0
end=$((SECONDS + seconds))
while [ $SECONDS -lt $end ]; do
  of "${runs[@]}"; run=$pick
  case $run in
    attention*) of auto naive ;;
    ski*) of auto naive dense online states prefix ;;
    *) of auto naive dense online states ;;
  esac
  options=(--method "$pick" --seed $RANDOM --samples $((RANDOM % 3 + 1)))
  prompt "$run" >"$work/prompt"
  of 0 0.3 0.8 1 5; options+=(--temperature "$pick")
  of 0 1 3 40 100000; options+=(--top-k "$pick")
  of 0 0.1 0.9 1; options+=(--top-p "$pick")
  of 1 4 16; options+=(--states "$pick")
  of 0 1 8 32; options+=(--exact-lags "$pick")
  # Now and then kernels so long that the online way has far lags.
  if [[ $RANDOM -lt 2000 && ${options[1]} != naive && $run != attention* ]]; then
    options+=(--context 2500 --tokens $((RANDOM % 1200)))
  else
    of 0 1 2 17 32 64 200; options+=(--context "$pick" --tokens $((RANDOM % 150)))
  fi
  if [ -s "$work/prompt" ]; then of "$work/prompt" -; options+=(--prompt-file "$pick"); fi
  if [ $((RANDOM % 3)) = 0 ]; then of e 'the' $'\n' 'é' '你好' 'never there'; options+=(--stop "$pick"); fi
  if [ $((RANDOM % 4)) = 0 ]; then of ' ' 'q' 'line'; options+=(--stop "$pick"); fi
  if [ $((RANDOM % 4)) = 0 ]; then of --json --raw --ignore-eos --no-echo --compare --quiet; options+=("$pick"); fi
  write() {  # THREADS
    "$build/generate" "$work/$run" "${options[@]}" --threads "$1" <"$work/prompt" >"$work/out" 2>"$work/err"
  }
  threads=$((RANDOM % 2 + 1))
  write $threads
  status=$? count=$((count + 1)) problem=
  [ $status = 0 ] || problem="exit code $status"
  grep -qE 'AddressSanitizer|LeakSanitizer|runtime error' "$work/err" && problem="a sanitizer's word"
  if [ -z "$problem" ] && [ $((count % 5)) = 0 ] && [[ " ${options[*]} " != *" --compare "* && " ${options[*]} " != *" --json "* ]]; then
    cp "$work/out" "$work/first"
    write $((3 - threads)) && cmp -s "$work/first" "$work/out" || problem="another text the second time"
    again=$((again + 1))
  fi
  if [ -n "$problem" ]; then
    failures=$((failures + 1))
    cp "$work/prompt" "$work/prompt-$failures"
    printf 'FAILED: %s: %s/generate %s/%s' "$problem" "$build" "$work" "$run"
    printf ' %q' "${options[@]}" --threads $threads
    printf ' < %s/prompt-%s\n' "$work" $failures
    tail -n 25 "$work/err"
  fi
done
echo "generate: $count random command lines, $again of them twice, in $seconds s: $failures failed"
failed=$failures
[ $failed = 0 ]
