// A part of a test in a process of its own: to run it as another user, to measure its memory, or
// because it might wait for ever.
#pragma once

#include <doctest/doctest.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string>

#include "tests/support/testing.h"

namespace skiff::testing {

// What f returns; a test fails where f throws, crashes or takes 20 seconds. f must not use several
// threads.
inline std::string in_child(const std::function<std::string()>& f) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(20);
    std::string text;
    try {
      text = f();
    } catch (...) {
      ::_exit(2);
    }
    ::_exit(::write(ends[1], text.data(), text.size()) == ssize_t(text.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string text;
  char part[4096];
  for (ssize_t count; (count = ::read(ends[0], part, sizeof part)) > 0;)
    text.append(part, size_t(count));
  ::close(ends[0]);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK_MESSAGE(status == 0, "the child ended with status ", status);
  return text;
}

// The message of the Error that f throws for a user who is not root.
inline std::string message_for_others(const std::function<void()>& f) {
  return in_child([&]() -> std::string {
    if (::geteuid() == 0 && ::setuid(65534) != 0) return "setuid failed";
    return message_of(f);
  });
}

// By how many bytes the memory of the process grows while f runs; 0 under a sanitizer.
inline int64_t growth_of(const std::function<void()>& f) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  (void)f;
  return 0;
#else
  const std::string kilobytes = in_child([&] {
    ::malloc_trim(0);
    // The largest size so far is that of now.
    if (FILE* file = std::fopen("/proc/self/clear_refs", "w")) {
      std::fputs("5", file);
      std::fclose(file);
    }
    struct rusage before = {}, after = {};
    ::getrusage(RUSAGE_SELF, &before);
    f();
    ::getrusage(RUSAGE_SELF, &after);
    return std::to_string(after.ru_maxrss - before.ru_maxrss);
  });
  REQUIRE_FALSE(kilobytes.empty());
  return std::stoll(kilobytes) * 1024;
#endif
}
inline constexpr int64_t kMostGrowth = int64_t(64) << 20;  // of reading any file below 1 MB

}  // namespace skiff::testing
