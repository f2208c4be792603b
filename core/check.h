// Errors. check() states a requirement and names what was found instead:
//   check(x.rank() == 3, "pool: x must be (B, N, D), got ", x);
// Form of a message: "<op or file>: <requirement>, got <values>[; <hint>]", lower case, no full
// stop.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace skiff {

// A program that catches an Error in main prints it and returns exit_code().
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
  virtual int exit_code() const { return 1; }
};
struct UsageError : Error {  // a wrong command line or setting
  using Error::Error;
  int exit_code() const override { return 2; }
};
struct DataError : Error {  // a file that cannot be read or does not hold what it should
  using Error::Error;
  int exit_code() const override { return 3; }
};
struct NumericalError : Error {  // a NaN or an infinity
  using Error::Error;
  int exit_code() const override { return 4; }
};
struct IoError : Error {  // a write that failed: disk full, no permission
  using Error::Error;
  int exit_code() const override { return 5; }
};

template <class E = Error, class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw E(message.str());
}

template <class E = Error, class... Parts>
void check(bool requirement, const Parts&... parts) {
  if (!requirement) [[unlikely]]
    fail<E>(parts...);
}

}  // namespace skiff
