#!/usr/bin/env bash
# clang's ThreadSanitizer with four threads: the samples of every op, the tests of core, autograd, layers and optim, and a
# short training with every mixer. Archer tells it what OpenMP's barriers order. OpenBLAS, FFTW and libomp are not instrumented.
# Run:     tests/campaign/threads.sh                 half an hour, most of it compiling
# Expect:  no report; a planted race is found, so that no report means something; "N passed, N failed"
set -u
cd "$(dirname "$0")/../.." || exit
archer=$(ls /usr/lib/llvm-*/lib/libarcher.so 2>/dev/null | tail -n 1)
clang=${CLANG:-clang++}
if ! command -v "$clang" >/dev/null || [ -z "$archer" ]; then
  echo "skipped: $clang or libarcher.so was not found; 'apt-get install clang libomp-dev' installs them"; exit 77
fi
passed=0 failed=0 work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# ignore_noninstrumented_modules: what OpenBLAS does between its own threads cannot be judged.
export OMP_TOOL_LIBRARIES=$archer OMP_NUM_THREADS=4
export TSAN_OPTIONS="ignore_noninstrumented_modules=1 exitcode=66 halt_on_error=0 history_size=7"
verdict() {  # NAME CODE COMMAND..: which exit code is right
  local name=$1 right=$2 start=$SECONDS code; shift 2
  "$@" >"$work/log" 2>&1; code=$?
  if [ $code = "$right" ]; then
    passed=$((passed + 1)); echo "ok      $name ($((SECONDS - start)) s)"
  else
    failed=$((failed + 1)); echo "FAILED  $name: exit code $code; it said:"
    grep -m 1 -A 30 'WARNING: ThreadSanitizer' "$work/log" || tail -n 20 "$work/log"
    echo "$(grep -c 'WARNING: ThreadSanitizer' "$work/log") reports"
  fi
}
cat >"$work/race.cpp" <<'END'
#include "core/parallel.h"
int main(int argc, char**) {
  double sum = 0, parts[64] = {};
  skiff::parallel_for(skiff::Device::CPU, 64, [&](int64_t i) { parts[i] += double(i); });
  if (argc > 1) skiff::parallel_for(skiff::Device::CPU, 1000, [&](int64_t i) { sum += double(i); });
  return parts[1] + sum < 0;
}
END
build=build/tsan
tsan="-fsanitize=thread -D__SANITIZE_THREAD__ -DSKIFF_PARALLEL_GRAIN=64"  # g++ defines the second, clang does not
make=(make CXX="$clang" PCH=0 OPT=-O1 EXTRA="$tsan" BUILD=$build)
"${make[@]}" -s $build/{gradcheck,train_lra,lra_data,skiff_tests} || { echo '0 passed, 1 failed'; exit 1; }
# What ThreadSanitizer itself needs of memory would be counted.
memory='memory: steps of nearly*,out of memory*'
sources=$(printf '*tests/%s/*,' core autograd layers optim)
# shellcheck disable=SC2086
"$clang" -std=c++20 -O1 -g -fopenmp $tsan -I. "$work/race.cpp" -o "$work/race" 2>"$work/log" ||
  { cat "$work/log"; echo '0 passed, 1 failed'; exit 1; }
verdict "a loop without a race" 0 "$work/race"
verdict "a planted race is found" 66 "$work/race" planted
verdict "the samples of every op" 0 $build/gradcheck
verdict "the tests of core, autograd, layers and optim" 0 env SKIFF_PROGRAMS=$build \
  $build/skiff_tests --test-case-exclude="slow:*,$memory" --source-file="${sources%,}"
$build/lra_data generate listops --out "$work/data/listops" --train 200 --val 40 --test 40 --min-length 20 --max-length 60 >/dev/null 2>&1
for mixer in ski tno fd attention conv none; do
  verdict "a training with $mixer" 0 $build/train_lra --data "$work/data" --mixer $mixer --dim 32 --layers 2 --batch-size 16 --steps 4 \
    --max-length 64 --threads 4 --norm batch --dropout 0.1 --quiet --out "$work/$mixer"
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
