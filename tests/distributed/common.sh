# What the scripts of this folder share: the launcher, checks, and processes in the background. Sourced, with the folder of
# the build and, after it, the launcher as arguments.
build=$1
case $build in *mpich*) launcher=${2:-mpirun.mpich} ;; *) launcher=${2:-mpirun} ;; esac
command -v "$launcher" >/dev/null || { echo "skipped: $launcher was not found; 'make deps MPI=1' installs it"; exit 77; }
"$launcher" --version 2>/dev/null | grep -q 'Open MPI\|OpenRTE' && mpi=open || mpi=mpich
# Containers, root, more processes than cores. Open MPI reads these; MPICH needs none.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 \
       OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_btl=self,vader OMPI_MCA_hwloc_base_binding_policy=none
export OMP_NUM_THREADS=1
export ASAN_OPTIONS=detect_leaks=0  # of MPI, in a build under sanitizers
work=$(mktemp -d)
passed=0 failed=0 code=0 seconds=0
trap 'end_left_over; umount "$work/full" 2>/dev/null; rm -rf "$work"' EXIT
# Each process of a training writes its number into the folder, and does first what ONLY_1 says if it is process 1.
export PIDS=$work/pids
each=$work/each
cat >"$each" <<'EOF'
#!/bin/sh
rank=${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}
[ -d "$PIDS" ] && echo $$ >"$PIDS/$rank"
eval "eval \"\${ONLY_$rank:-}\""
exec "$@"
EOF
chmod +x "$each"

# The processes that wrote their number into the folder and still live.
living() {
  local pid
  for pid in $(cat "$PIDS"/* 2>/dev/null); do
    [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null && echo "$pid"
  done
}
end_left_over() { local pid; for pid in $(living); do kill -9 "$pid"; done; }
launch() { SECONDS=0; timeout -k 1 120 "$launcher" "$@" >"$work/out" 2>"$work/err"; code=$? seconds=$SECONDS; }
verdict() {  # NAME CONDITION..: one check; the condition is a command
  local name=$1; shift
  if "$@"; then passed=$((passed + 1)); echo "ok      $name"; return; fi
  failed=$((failed + 1)); echo "FAILED  $name: exit code $code after $seconds s; it said:"; cat "$work/out" "$work/err"
}
errors() { grep -c '^error: ' "$work/err"; }
says() { grep -qF -- "$1" "$work/out" "$work/err"; }
one_error() {  # CODE WORDS..: this exit code, and one line of error that says all of these
  [ "$code" = "$1" ] && [ "$(errors)" = 1 ] || return 1
  shift
  local words; for words in "$@"; do says "$words" || return 1; done
}

# Starts N processes in the background: start N PROGRAM WORD..; waits until all have begun.
start() {
  local count=$1 i; shift
  rm -rf "$PIDS"; mkdir "$PIDS"
  "$launcher" -n "$count" "$@" >"$work/out" 2>"$work/err" &
  mpirun_pid=$!
  for ((i = 0; i < 300; i++)); do
    SECONDS=0
    [ "$(cat "$PIDS"/* 2>/dev/null | wc -l)" = "$count" ] && return
    kill -0 "$mpirun_pid" 2>/dev/null || break
    sleep 0.1
  done
  verdict "start of $count processes: $*" false
}
# Waits for what was started: its exit code, its seconds; then up to 3 seconds for its processes to go.
finish() {
  local i
  wait "$mpirun_pid" 2>/dev/null
  code=$? seconds=$SECONDS
  for ((i = 0; i < 30; i++)); do [ -z "$(living)" ] && return; sleep 0.1; done
}
none_left() { [ -z "$(living)" ]; }
within() { [ "$seconds" -le "$1" ]; }
gone() { [ "$code" != 0 ] && within 10 && none_left; }
wait_for() {  # FILE: until it is there, 30 seconds at most
  local i; for ((i = 0; i < 300; i++)); do [ -e "$1" ] && return; sleep 0.1; done
}
pause() {  # at random, less than so many milliseconds (at most 32767)
  local ms=$((RANDOM % $1)); sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
}
end() { echo "$passed passed, $failed failed"; [ "$failed" = 0 ]; exit; }

# ---- training ----
tiny="--dim 8 --layers 1 --batch-size 8 --steps 12 --max-length 32 --eval-every 6 --log-every 4 --save-every 4 --keep 3
  --dropout 0.1 --encoder-dropout 0.1 --clip 1 --bucket --data $work/data"
make_data() {
  "$build/lra_data" generate listops --out "$work/data/listops" --train 200 --val 40 --test 40 --min-length 2 \
    --max-length 20 >/dev/null 2>"$work/err" && return
  echo "FAILED  data for the training"; cat "$work/err"; exit 1
}
train() {  # NAME PROCESSES OPTION..
  local name=$1 count=$2; shift 2
  # shellcheck disable=SC2086
  launch -n "$count" "$each" "$build/train_lra" $tiny --out "$work/$name" "$@"
}
start_train() {  # NAME PROCESSES OPTION..: in the background
  local name=$1 count=$2; shift 2
  # shellcheck disable=SC2086
  start "$count" "$each" "$build/train_lra" $tiny --out "$work/$name" "$@"
}
same_files() {  # NAME..: the run in the first folder and the others, which have ended
  local first=$1 name file other last; shift
  [ "$code" = 0 ] && [ -s "$work/$first/best.safetensors" ] || return 1
  last=$(find "$work/$first" -name 'ckpt-*' | sort | tail -n 1)
  for name in "$@"; do
    for file in "$work/$first"/*.safetensors; do
      other=$work/$name/$(basename "$file")
      [ -e "$other" ] || [[ $file != "$last" && $file = */ckpt-* ]] || return 1  # a run that stopped keeps other ones
      [ ! -e "$other" ] || cmp "$file" "$other" >>"$work/err" || return 1
    done
    [ "$(cut -d, -f1-8 "$work/$first/metrics.csv")" = "$(cut -d, -f1-8 "$work/$name/metrics.csv")" ] || return 1
  done
}
equal_runs() {  # NAME OPTION..: the same bytes on 1, 2, 3 and 4 processes, and with 2 threads each
  local name=$1 count; shift
  for count in 1 2 3 4; do train "$name-$count" "$count" "$@" || break; done
  OMP_NUM_THREADS=2 train "$name-threads" 2 "$@"
  verdict "train_lra $*: the bytes of one process on 2, 3 and 4, and with 2 threads each" \
    same_files "$name-1" "$name-2" "$name-3" "$name-4" "$name-threads"
}
# Kills a process or the launcher at random, so many times; each time the run goes on with another number of processes.
many_steps='--mixer tno --norm batch --shards 4 --steps 1200 --eval-every 200 --log-every 40 --save-every 40'
# shellcheck disable=SC2086
reference() { train never-killed 1 $many_steps; }
kills() {  # TIMES; needs reference()
  local times=$1 killed=0 ended=0 count who victim how hit
  rm -rf "$work/killed"
  while [ "$killed" -lt "$times" ] || [ "$ended" = 0 ]; do
    count=$((RANDOM % 4 + 1)) who=$((RANDOM % (count + 1))) hit=0
    how=--force; compgen -G "$work/killed/ckpt-*.safetensors" >/dev/null && how=--resume
    # shellcheck disable=SC2086
    start_train killed "$count" $many_steps $how
    if [ "$killed" -lt "$times" ]; then
      pause 3000
      victim=$mpirun_pid; [ "$who" = "$count" ] || victim=$(cat "$PIDS/$who")
      kill -9 "$victim" 2>/dev/null && hit=1
      killed=$((killed + hit))
    fi
    finish
    if [ "$code" != 0 ]; then
      [ "$hit" = 1 ] && gone && continue
      verdict "kill $killed, of $who of $count processes: all end" false; return
    fi
    ended=1
    same_files never-killed killed || { verdict "$killed kills: the same end" false; return; }
    [ "$killed" -ge "$times" ] || rm -rf "$work/killed"
  done
  verdict "$times kills of a process or the launcher, each time resumed with another number of processes: the same end" true
}
