#!/usr/bin/env bash
# Long runs of a tiny model: resident memory and open files after step 1000 (of few steps, after a tenth of them).
# Run:     tests/campaign/soak.sh BUILD [STEPS]      100,000 steps, and a tenth as many evaluations; minutes
# Expect:  growth of at most 1 MB in each, no file stays open; "N passed, N failed"
set -u
cd "$(dirname "$0")/../.." || exit
. tests/campaign/common.sh
steps=${2:-100000}
make_data

# Resident kB, open files and the last step of a run in the folder soak, as long as it lives.
samples() {
  local resident files step
  while kill -0 "$pid" 2>/dev/null; do
    resident=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status" 2>/dev/null)
    files=$(find "/proc/$pid/fd" -type l 2>/dev/null | wc -l)
    step=$(tail -n 1 "$work/soak/metrics.csv" 2>/dev/null | cut -d, -f1)
    [[ $resident && $step =~ ^[0-9]+$ ]] && echo "$step $resident $files"
    sleep 0.1
  done
}
# Files are counted by their least number in each half of the samples, and two more are allowed, because some are open while
# they are written. A file that each save or validation left open would be far more.
measure() {  # NAME STEPS EVERY: validates after every so many steps
  local name=$1 count=$2 every=$3 seen growth files
  rm -rf "$work/soak"
  start_train soak --steps "$count" --eval-every "$every" --log-every 100 --save-every 500 --keep 1
  samples >"$work/samples"
  finish
  local after=$((count < 10000 ? count / 10 : 1000))
  read -r seen growth files < <(awk -v after="$after" '
    $1 >= after { if (!n++) first = $2; if ($2 > most) most = $2; at[n] = $3; }
    END { for (i = 1; i <= n; i++) { half = 2 * i > n; if (least[half] == "" || at[i] < least[half]) least[half] = at[i] }
          print n + 0, most - first, least[1] - least[0] }' \
    "$work/samples")
  echo "        $name: $seen samples after step $after, growth of $growth kB, $files open files more"
  ended() { [ "$code" = 0 ]; }
  verdict "$name: the run ends" ended
  small() { [ "$seen" -ge 2 ] && [ "$growth" -le 1024 ]; }
  verdict "$name: memory grows by at most 1 MB" small
  verdict "$name: no file stays open" [ "${files:-9}" -le 2 ]
}
measure "$steps steps" "$steps" 1000
measure "$((steps / 10)) evaluations" "$((steps / 10))" 1
end
