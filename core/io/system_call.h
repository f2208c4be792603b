// What reading and writing files share: a call that a signal interrupted, and what an error number
// means.
#pragma once

#include <cerrno>
#include <string>
#include <system_error>

namespace skiff {

inline std::string system_message(int error) { return std::generic_category().message(error); }

// Repeats a call that a signal interrupted, but not for ever.
template <class Call>
auto uninterrupted(const Call& call) {
  auto result = call();
  for (int again = 0; result < 0 && errno == EINTR && again < 100; ++again) result = call();
  return result;
}

}  // namespace skiff
