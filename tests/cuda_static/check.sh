#!/usr/bin/env bash
# What can be known of a CUDA build without a GPU: check.sh BUILD, after `make CUDA=1 WERROR=1`.
# From the reports of ptxas beside the objects: no kernel spills, and the main kernels fill a
# multiprocessor as stated below. From the PTX: 16-byte loads and stores. From the programs: they start
# without a driver and say so. The last line is "N passed, N failed".
set -u
build=$1
home=${CUDA_HOME:-$(dirname "$(dirname "$(command -v nvcc)")")}
passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
verdict() {  # NAME DETAIL STATUS
  if [ "$3" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  printf '%-7s %-58s %s\n' "$([ "$3" -eq 0 ] && echo ok || echo FAILED)" "$1" "$2"
}

# ---- one line a kernel: architecture, registers, spilled bytes, name ----
find "$build" -name '*.ptxas' -exec cat {} + | c++filt | awk '
  /Compiling entry function/ { arch = $0; sub(/.*for .sm_/, "", arch); sub(/.$/, "", arch)
                               name = $0; sub(/.*entry function ./, "", name); sub(/. for .sm_.*/, "", name) }
  /bytes spill stores/       { spill = $5 + $9 }
  /Used [0-9]+ registers/    { match($0, /Used [0-9]+/); print arch, substr($0, RSTART + 5, RLENGTH - 5), spill, name }
' >"$work/kernels"
kernels=$(wc -l <"$work/kernels")
for arch in 80 90; do
  count=$(grep -c "^$arch " "$work/kernels")
  verdict "sm_$arch: kernels are compiled" "$count of them" "$([ "$count" -ge 200 ]; echo $?)"
done
awk '$3 > 0' "$work/kernels" >"$work/spilling"
verdict "no kernel spills registers" "$kernels kernels, most registers $(sort -k2nr "$work/kernels" | awk 'NR == 1 { print $2 }')" \
  "$([ "$kernels" -gt 0 ] && [ ! -s "$work/spilling" ]; echo $?)"
cut -c1-200 "$work/spilling"

# ---- occupancy of the main kernels: shared bytes, threads, and the least percent of the threads ----
g++ -std=c++20 -isystem "$home/include" tests/cuda_static/occupancy.cpp -o "$work/occupancy" || failed=$((failed + 1))
while IFS=';' read -r what pattern shared threads least; do
  for arch in 80 90; do
    registers=$(grep "^$arch " "$work/kernels" | grep -F "$pattern" | sort -k2nr | awk 'NR == 1 { print $2 }')
    percent=$("$work/occupancy" "$arch" "${registers:-0}" "$shared" "$threads" | cut -d' ' -f2)
    verdict "sm_$arch: $what fills $least % or more" "${registers:-no such kernel} registers: ${percent:-0} %" \
      "$([ -n "$registers" ] && [ "${percent:-0}" -ge "$least" ]; echo $?)"
  done
done <<'TABLE'
SKI convolution, float32;convolution_kernel<float>;16384;256;50
SKI gradient of the filter, float32;filter_sums_kernel<float>;20480;256;37
Adam, float32;adam_kernel<float>;0;256;62
element by element: add;for_kernel<skiff::(anonymous namespace)::add_reals<float>;0;256;100
product of spectra, float32;::multiply<float>(skiff::fft::Spectra;0;256;62
a row by a warp or a block: softmax;rows_kernel<skiff::Row, skiff::(anonymous namespace)::softmax_rows<float>;64;256;62
TABLE

# ---- 16-byte loads and stores of the streaming kernel ----
nvcc -x cu --extended-lambda -std=c++20 -O3 -arch=compute_90 -ptx -DSKIFF_CUDA -I. -diag-suppress 177 optim/adam.cpp -o "$work/adam.ptx"
awk '/\.entry .*adam_kernelIf/ { inside = 1 } inside && /ld.global.*v4/ { ++loads } inside && /st.global.*v4/ { ++stores }
     inside && /^}/ { inside = 0 } END { print loads + 0, stores + 0 }' "$work/adam.ptx" >"$work/wide"
verdict "Adam reads and writes 16 bytes at a time" "$(cat "$work/wide") loads, stores in its PTX" \
  "$(read -r loads stores <"$work/wide"; [ "$loads" -ge 4 ] && [ "$stores" -ge 3 ]; echo $?)"

# ---- the program on this machine ----
"$build/gradcheck" --device cuda scale >"$work/said" 2>&1; status=$?
if [ -e /dev/nvidiactl ]; then
  verdict "with a driver a program starts" "$(head -n 1 "$work/said")" "$([ $status -eq 0 ] || { [ $status -eq 2 ] && grep -q 'too old\|no CUDA device' "$work/said"; }; echo $?)"
else
  verdict "without a driver --device cuda is refused" "$(head -n 1 "$work/said")" \
    "$([ $status -eq 2 ] && grep -q 'no CUDA driver on this machine' "$work/said"; echo $?)"
  "$build/gradcheck" --device auto scale >"$work/said" 2>&1; status=$?
  verdict "and --device auto computes on the CPU, saying why" "$(head -n 1 "$work/said")" \
    "$([ $status -eq 0 ] && grep -q 'the CPU, because no CUDA driver' "$work/said"; echo $?)"
fi

# ---- rules of the sources ----
grep -n '<<<\|__shared__\|cooperative_groups\|cub::\|asm *(' core/*.cu core/*.h core/*.cpp autograd/*.* autograd/ops/* optim/* |
  grep -v 'core/cuda/parallel.h:.*\(no <<<>>>\|extern __shared__\)' >"$work/rules"
verdict "one way to launch, one to shared memory; no CUB, cooperative groups, PTX" "" "$([ ! -s "$work/rules" ]; echo $?)"
cat "$work/rules"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
