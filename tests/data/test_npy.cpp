// Tables of strings as NumPy writes them.
#include "core/check.h"
#include "data/files/npy.h"
#include "tests/data/npy_samples.h"
#include "tests/support/child.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

std::vector<std::vector<std::string>> table_of(const std::string& bytes) {
  std::vector<std::vector<std::string>> table;
  read_npy_strings(bytes, "a", 1, [&](const auto& row) { table.push_back(row); });
  return table;
}
std::string npy_error(const std::string& bytes) {
  return message_of([&] { read_npy_strings(bytes, "0.npy", 2, [](const auto&) {}); });
}

}  // namespace

TEST_CASE("npy: arrays of strings, of characters or of bytes") {
  const std::vector<Row11> rows = {row_of(0, 0, 1), row_of(0, 1, 0)};
  CHECK(table_of(npy_of(rows, 'U')) == rows);
  CHECK(table_of(npy_of(rows, 'S')) == rows);
  CHECK(table_of(npy_of({}, 'S')).empty());
  const std::string greek =
      npy_header("{'descr': '<U2', 'fortran_order': False, 'shape': (1, 1)}") +
      std::string("\xb1\x03\0\0\0\0\0\0", 8);
  CHECK(table_of(greek)[0][0] == "\xCE\xB1");
}

TEST_CASE("npy: other arrays and broken headers end with the reason") {
  const auto header = [](const std::string& descr, const std::string& order,
                         const std::string& shape) {
    return npy_header("{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape +
                      ", }");
  };
  const std::pair<std::string, std::string> cases[] = {
      {"", "must begin with the header"},
      {"imgs/0 sample_0.png", "must begin with the header"},
      {"\x93NUMPY", "must begin with the header"},
      {npy_header("{}", 2), "a .npy array, version 1.0"},
      {npy_header("{}").substr(0, 40), "the header has 54 bytes, the file ends after 30"},
      {npy_header("{}"), "got the header '{}"},
      {header("'<U1'", "Maybe", "(1, 1)"), "in row-major order, got the header"},
      {header("'<U1'", "False", "(1, x)"), "must have 2 dimensions"},
      {header("'<U1'", "False", "(-1, 4)"), "must have 2 dimensions"},
      {header("'>U1'", "False", "(1, 1)"), "hold strings (<U or |S)"},
      {header("'<U1'", "False", "(1, 2)"), "1 x 2 strings of 4 bytes are announced, got 0 bytes"},
      {header("'<U1'", "False", "(9223372036854775807, 9)"), "must have 2 dimensions"},
      {header("'<U1'", "False", "(999999999, 9)"),
       "999999999 x 9 strings of 4 bytes are announced"},
      // Products that are 0 in 64 bits.
      {header("'|S536870912'", "False", "(536870912, 512)"), "are announced, got 0 bytes"},
      {header("'<U67108864'", "False", "(536870912, 128)"), "are announced, got 0 bytes"},
      {header("'<U1'", "True", "(1, 1)"), "in row-major order"},
      {header("'<U1'", "False", "(1,)"), "must have 2 dimensions"},
      {header("'<U1'", "False", "()"), "must have 2 dimensions"},
      {header("'|O'", "False", "(1, 1)"), "hold strings"},
      {header("'<f8'", "False", "(1, 1)"), "hold strings"},
      {header("'<U0'", "False", "(1, 1)"), "hold strings"},
      {header("'<Ux'", "False", "(1, 1)"), "hold strings"},
      {header("'<U1'", "False", "(1, 2)") + std::string(8, '\xff'), "no character"},
      {header("'<U1'", "False", "(1, 1)") + std::string(4, 'x'), "at least 2 columns are needed"},
      {header("'<U1'", "False", "(16777216, 0)"), "at least 2 columns are needed, got 0"},
  };
  for (const auto& [bytes, expected] : cases) {
    const std::string reason = expected;  // a macro of doctest captures it
    const std::string message = npy_error(bytes);
    CAPTURE(message);
    CAPTURE(reason);
    CHECK(contains(message, reason));
    CHECK(message.starts_with("0.npy: "));
  }
}

TEST_CASE("npy: rows are not believed before their bytes are there, and are not all held") {
  const auto array = [](const std::string& shape, size_t bytes) {
    return npy_header("{'descr': '|S1', 'fortran_order': False, 'shape': " + shape + "}") +
           std::string(bytes, 'x');
  };
  for (const std::string& bytes : {array("(16777216, 0)", 0), array("(450000, 2)", 900000)}) {
    CHECK(growth_of([&] { npy_error(bytes); }) < kMostGrowth);
  }
}
