// What a program has to settle before main(), because libraries read it when they are loaded.
#pragma once

#include <limits.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace skiff::start {

// A thread that waits at the end of a parallel loop spins for up to 300,000 rounds (about 10 ms)
// before it sleeps, so says GNU OpenMP's default. On a machine with other work the thread it waits
// for may not be running at all, and spinning keeps the core from it: two trainings side by side
// then take several times as long as one after the other. After 2000 rounds (some 0.05 ms) it
// sleeps here; on an idle machine the others have mostly arrived by then. GNU OpenMP takes the
// number from the environment and only when it is loaded, so the program starts itself once more.
// Values that the user set are kept.
inline constexpr const char* kSpinVariable = "GOMP_SPINCOUNT";
inline constexpr const char* kSpinRounds = "2000";

#if defined(__GNUC__) && !defined(__clang__)  // LLVM's OpenMP yields while it spins
[[gnu::constructor]] inline void wait_politely(int, char** argv, char**) {
  if (std::getenv(kSpinVariable) || std::getenv("OMP_WAIT_POLICY")) return;
  char program[PATH_MAX];  // the file itself: /proc/self/exe would become the name that ps shows
  const ssize_t length = ::readlink("/proc/self/exe", program, sizeof program - 1);
  if (length <= 0) return;
  program[length] = '\0';
  if (::setenv(kSpinVariable, kSpinRounds, 0) == 0) ::execv(program, argv);
}  // without /proc the program goes on as it is
#endif

// OpenBLAS (0.3.21) maps 128 MiB for every thread when it is loaded, and where `ulimit -v` forbids
// that it tries again for ever. So this runs before the constructors of the libraries, where the C
// library itself is not ready: system calls and plain loops alone.
inline uint64_t needed_address_space(int threads) {
  return (uint64_t(256) + uint64_t(160) * uint64_t(threads)) << 20;
}

inline int blas_threads(char** environment) {
  cpu_set_t cores;
  int threads = ::sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
  for (; *environment; ++environment) {
    constexpr char name[] = "OMP_NUM_THREADS=";
    if (std::strncmp(*environment, name, sizeof name - 1) != 0) continue;
    const int given = std::atoi(*environment + sizeof name - 1);
    if (given > 0 && given < threads) threads = given;
  }
  return threads;
}

#if !defined(__SANITIZE_ADDRESS__)  // which needs terabytes of it
inline void check_address_space(int, char**, char** environment) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  const int threads = blas_threads(environment);
  if (limit.rlim_cur >= needed_address_space(threads)) return;
  char text[200];
  const int length =
      std::snprintf(text, sizeof text,
                    "error: the address space is limited to %llu MB (ulimit -v); OpenBLAS alone "
                    "needs %llu MB for %d thread%s\n",
                    (unsigned long long)(limit.rlim_cur >> 20),
                    (unsigned long long)(needed_address_space(threads) >> 20), threads,
                    threads == 1 ? "" : "s, and fewer with a smaller OMP_NUM_THREADS");
  (void)!::write(2, text, size_t(length));
  ::_exit(1);
}
[[gnu::section(".preinit_array"),
  gnu::used]] static void (*const kBeforeLibraries)(int, char**, char**) = check_address_space;
#endif

}  // namespace skiff::start
