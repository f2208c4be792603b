#include "examples/program/start.h"

#include <limits.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace skiff::start {

void link_start() {}

namespace {

#if defined(__GNUC__) && !defined(__clang__)  // LLVM's OpenMP yields while it spins
// A thread that waits at the end of a parallel loop spins for up to 300,000 rounds (about 10 ms)
// before it sleeps: the default of GNU OpenMP. On a machine with other work, the thread that it
// waits for may not be running, and the spinning thread occupies its core: two trainings side by
// side then take several times as long as one after the other. With 2000 rounds (about 0.05 ms) it
// sleeps early enough; on an idle machine most of the others arrive within that time. GNU OpenMP
// reads the number from the environment when it is loaded, so the program starts itself once more.
// Values that the user has set are kept.
[[gnu::constructor]] void wait_politely(int, char** argv, char**) {
  if (std::getenv("GOMP_SPINCOUNT") || std::getenv("OMP_WAIT_POLICY")) return;
  char program[PATH_MAX];  // the file itself: /proc/self/exe would become the name that ps shows
  const ssize_t length = ::readlink("/proc/self/exe", program, sizeof program - 1);
  if (length <= 0) return;
  program[length] = '\0';
  if (::setenv("GOMP_SPINCOUNT", "2000", 0) == 0) ::execv(program, argv);
}  // without /proc the program continues as it is
#endif

#if !defined(__SANITIZE_ADDRESS__)  // which needs terabytes of address space
// OpenBLAS (0.3.21) maps 128 MiB per thread when it is loaded, and tries again for ever where
// `ulimit -v` forbids that. This check therefore runs before the constructors of the libraries,
// where the C library itself is not ready: it may use system calls and plain loops only.
uint64_t needed_address_space(int threads) {
  return (uint64_t(256) + uint64_t(160) * uint64_t(threads)) << 20;
}

int blas_threads(char** environment) {
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

void check_address_space(int, char**, char** environment) {
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
  gnu::used]] void (*const kBeforeLibraries)(int, char**, char**) = check_address_space;
#endif

}  // namespace
}  // namespace skiff::start
