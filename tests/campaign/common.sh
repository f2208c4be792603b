# What the scripts of this folder share: a build, a folder for their files, programs that may fail, and checks. Sourced, with
# the folder of the build as argument; a script has its amount ("how many cases") in the second one.
build=$(realpath "$1" 2>/dev/null)
[ -x "$build/train_lra" ] || { echo "skipped: '$1/train_lra' is not built; 'make' builds it"; exit 77; }
work=$(mktemp -d)
passed=0 failed=0 code=0 executions=0 tried=0 bad=0
trap 'clean_up' EXIT
# With this set, a program does not start itself a second time to set it.
export OMP_NUM_THREADS=1 GOMP_SPINCOUNT=2000
export ASAN_OPTIONS=detect_leaks=0  # which cannot look for leaks under strace

clean_up() {
  local pid mount
  for pid in $(jobs -p); do kill -9 "$pid" 2>/dev/null; done
  for mount in $(awk -v work="$work/" 'index($2, work) == 1 { print $2 }' /proc/mounts); do umount -l "$mount"; done
  rm -rf "$work"
}
needs() {  # COMMAND PACKAGE
  command -v "$1" >/dev/null || { echo "skipped: $1 was not found; 'apt-get install $2' installs it"; exit 77; }
}
needs_root() { [ "$(id -u)" = 0 ] || { echo "skipped: $* needs root"; exit 77; }; }

attempt() {  # COMMAND..: its exit code and what it says; 124 after a minute
  executions=$((executions + 1))
  { timeout -k 1 60 "$@" >"$work/out" 2>"$work/err" </dev/null; } 2>/dev/null  # where bash would say "Killed"
  code=$?
}
what_it_said() { head -n 20 "$work/out" "$work/err"; }
verdict() {  # NAME CONDITION..: one check; the condition is a command
  local name=$1; shift
  if "$@"; then passed=$((passed + 1)); echo "ok      $name"; return; fi
  failed=$((failed + 1)); echo "FAILED  $name"; [ "$1" = false ] || { echo "exit code $code; it said:"; what_it_said; }
}
# A sweep: many cases, of which only those that fail are printed, and one check at its end.
try() {  # NAME CONDITION..
  local name=$1; shift
  tried=$((tried + 1))
  "$@" && return
  bad=$((bad + 1)); echo "FAILED  $name: exit code $code; it said:"; what_it_said
  return 1
}
tally() {  # NAME
  local name="$1: $((tried - bad)) of $tried" all=false
  [ "$tried" -gt 0 ] && [ "$bad" = 0 ] && all=true
  tried=0 bad=0
  verdict "$name" "$all"
}
end() { echo "$executions executions in $SECONDS s"; echo "$passed passed, $failed failed"; [ "$failed" = 0 ]; exit; }

errors() { grep -c '^error: ' "$work/err"; }
says() { grep -qF -- "$1" "$work/out" "$work/err"; }
one_error() {  # CODE WORDS..: this exit code, and one line of error that says all of these
  [ "$code" = "$1" ] && [ "$(errors)" = 1 ] || return 1
  shift
  local words; for words in "$@"; do grep '^error: ' "$work/err" | grep -qF -- "$words" || return 1; done
}
no_crash() { [ "$code" -lt 124 ] && ! says 'terminate called' && ! says 'runtime error'; }
some() {  # COUNT: that many lines of stdin at most, evenly spread and in their order
  awk -v most="$1" '{ line[NR] = $0 } END { n = most < NR ? most : NR; for (i = 0; i < n; i++) print line[1 + int(i * NR / n)] }'
}
random() { echo $(((RANDOM << 15 | RANDOM) % $1)); }
pause() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; }  # so many milliseconds
wait_until() {  # CONDITION..: a minute at most
  local i
  for ((i = 0; i < 3000; i++)); do "$@" && return; sleep 0.02; done
  return 1
}

# ---- training: a tiny model on a small ListOps ----
tiny="--data $work/data --dim 8 --layers 1 --batch-size 8 --steps 12 --max-length 32 --eval-every 6 --log-every 4"
tiny+=" --save-every 4 --keep 3 --encoder-dropout 0.1 --clip 1 --bucket --quiet"
make_data() {
  "$build/lra_data" generate listops --out "$work/data/listops" --train 200 --val 40 --test 40 --min-length 2 \
    --max-length 20 >/dev/null 2>"$work/err" && return
  echo "FAILED  data for the training"; cat "$work/err"; exit 1
}
train() {  # NAME OPTION..: a run in the folder of that name; $before comes before the program
  local name=$1; shift
  # shellcheck disable=SC2086
  attempt ${before:-} "$build/train_lra" $tiny --out "$work/$name" "$@"
}
start_train() {  # NAME OPTION..: the same in the background, as process $pid
  local name=$1; shift
  executions=$((executions + 1))
  # shellcheck disable=SC2086
  "$build/train_lra" $tiny --out "$work/$name" "$@" >"$work/out" 2>"$work/err" </dev/null &
  pid=$!
}
finish() { wait "$pid" 2>/dev/null; code=$?; }
go_on() {  # NAME OPTION..: goes on from the newest checkpoint, or begins where there is none
  local how=--force
  compgen -G "$work/$1/ckpt-*.safetensors" >/dev/null && how=--resume
  train "$@" $how
}
has_checkpoint() { compgen -G "$work/$1/ckpt-*.safetensors" >/dev/null; }
newest_step() { find "$work/$1" -name 'ckpt-*.safetensors' | sort | tail -n 1 | sed 's/.*ckpt-0*\([0-9]*\).safetensors/\1/'; }
# Whether a run has ended as another one: the same files, and the same bytes in them but for times. Of the older checkpoints
# it may lack some, which could not be written at their time.
same_end() {  # NAME OTHER
  local one=$work/$1 two=$work/$2 file name
  [ "$code" = 0 ] && [ -s "$two/best.safetensors" ] && [ "$(newest_step "$1")" = "$(newest_step "$2")" ] || return 1
  for name in $(ls "$one" "$two" | grep -v : | sort -u); do
    [ -e "$one/$name" ] && { [ -e "$two/$name" ] || [[ $name = ckpt-* ]]; } && continue
    echo "only one of the runs has $name" >>"$work/err"; return 1
  done
  for file in "$two"/*.safetensors; do cmp "$one/${file##*/}" "$file" >>"$work/err" 2>&1 || return 1; done
  [ "$(cut -d, -f1-8 "$one/metrics.csv")" = "$(cut -d, -f1-8 "$two/metrics.csv")" ] ||
    { echo 'metrics.csv differs' >>"$work/err"; return 1; }
}
