// The puzzles: the solutions pass, every stub fails with a line that helps, and the usual mistakes
// are called by their names.
#include <cstdio>
#include <cstdlib>

#include "examples/puzzles/puzzle.h"
#include "tests/support/testing.h"

namespace skiff::puzzles {
std::vector<Entry>& entries() {  // of this file alone
  static std::vector<Entry> all;
  return all;
}
}  // namespace skiff::puzzles

using namespace skiff;
using namespace skiff::puzzles;
using skiff::testing::contains;

namespace {

std::string output_of(const std::string& program, int& code) {
  const char* folder = std::getenv("SKIFF_PROGRAMS");
  FILE* pipe =
      ::popen(((folder ? folder : "build/cpu") + ("/puzzles/" + program) + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  char buffer[512];
  while (std::fgets(buffer, sizeof buffer, pipe)) text += buffer;
  code = WEXITSTATUS(::pclose(pipe));
  return text;
}

// y[i] = 3 x[i] with a factor, a constant or a shift in its backward.
struct Scale {
  static constexpr auto name = "scale";
  size_t n;
  static inline double factor = 3, by_n = 0;
  static inline int shift = 0;
  size_t inputs() const { return n; }
  Reals forward(const Reals& x) const {
    Reals y = x;
    for (double& v : y) v *= 3;
    return y;
  }
  Reals backward(const Reals& gy, const Reals&) const {
    Reals gx(n);
    for (size_t i = 0; i < n; ++i)
      gx[i] = factor * std::pow(double(n), by_n) * gy[(i + n + size_t(shift)) % n];
    return gx;
  }
  static std::vector<Scale> cases() { return {{8}, {9}}; }
};

// irfft: its backward may lose its conjugate, the 1/F, or the count of the interior bins.
struct Inverse {
  static constexpr auto name = "irfft";
  size_t F;
  static inline bool conjugated = false, normalised = true, counted = true;
  size_t inputs() const { return F / 2 + 1; }
  Reals forward(const Numbers& X) const { return irfft(X, F); }
  Numbers backward(const Reals& gy, const Numbers&) const {
    Numbers gX = rfft(gy);
    for (size_t k = 0; k < gX.size(); ++k) {
      gX[k] *= (counted ? bins_of(k, F) : 1) / (normalised ? double(F) : 1);
      if (conjugated) gX[k] = std::conj(gX[k]);
    }
    return gX;
  }
  static std::vector<Inverse> cases() { return {{8}, {7}}; }
};

// A product with the conjugate forgotten, which is no conjugate of the right gradient.
struct Product {
  static constexpr auto name = "product";
  Numbers b;
  size_t inputs() const { return b.size(); }
  Numbers forward(const Numbers& a) const {
    Numbers y = a;
    for (size_t k = 0; k < y.size(); ++k) y[k] *= b[k];
    return y;
  }
  Numbers backward(const Numbers& gy, const Numbers&) const { return forward(gy); }
  static std::vector<Product> cases() { return {{{{1, 2}, {-0.5, 1}, {0, 3}}}}; }
};

struct WrongSize : Scale {
  Reals backward(const Reals&, const Reals&) const { return {1, 2}; }
  static std::vector<WrongSize> cases() { return {{{5}}}; }
};

}  // namespace

template <>
struct skiff::puzzles::ForwardTypes<decltype(&WrongSize::forward)> {
  using Output = Reals;
  using Input = Reals;
};

TEST_CASE(
    "puzzles: all twelve solutions pass, all twelve stubs fail with the place of their task") {
  int code = -1;
  const std::string solutions = output_of("grade-tests", code);
  CAPTURE(solutions);
  CHECK(code == 0);
  CHECK(contains(solutions, "12 of 12 solved\n"));
  const std::string stubs = output_of("grade-examples", code);
  CAPTURE(stubs);
  CHECK(code == 1);
  CHECK(contains(stubs, "0 of 12 solved\n"));
  size_t lines = 0;
  for (size_t at = 0;
       (at = stubs.find(
            "not written yet: backward returns zeros; the task is at the top of the file", at)) !=
       std::string::npos;
       ++at)
    ++lines;
  CHECK(lines == 12);
  CHECK(contains(stubs, "examples/puzzles/06_rfft.cpp"));
  CHECK(contains(stubs, "entry 0 of 8 is 0, differences say "));
  CHECK(output_of("grade-examples 06", code).find("0 of 1 solved") != std::string::npos);
  CHECK(contains(output_of("grade-examples 99", code), "error: no puzzle starts with '99'"));
  CHECK(code == 2);
}

TEST_CASE("puzzles: what is read behind the end of a gradient is no number") {
  const Reals gy = from_tensor<Reals>(zeros({8}, DType::Float64));
  CHECK(gy.size() == 8);
  CHECK(std::isnan(*(gy.data() + 8)));
  const Numbers gY = from_tensor<Numbers>(zeros({3}, DType::Complex128));
  CHECK(gY.size() == 3);
  CHECK(std::isnan((gY.data() + 3)->real()));
}

TEST_CASE("puzzles: sign, factor and shift are told apart") {
  const auto with = [](double factor, double by_n, int shift) {
    Scale::factor = factor, Scale::by_n = by_n, Scale::shift = shift;
    return diagnose<Scale>().mistake;
  };
  CHECK(with(3, 0, 0) == "the gradient is right in float64");
  CHECK(contains(with(0, 0, 0), "not written yet"));
  CHECK(with(-3, 0, 0) == "sign: the gradient is right but for its sign");
  CHECK(contains(with(6, 0, 0), "factor of 2"));
  CHECK(contains(with(3, 1, 0), "factor of n, the number of inputs"));
  CHECK(contains(with(3, -1, 0), "factor of 1/n"));
  CHECK(with(3, 0, 1) == "shift: every entry is 1 place too early, around the end");
  CHECK(with(3, 0, -2) == "shift: every entry is 2 places too late, around the end");
  CHECK(contains(with(-3, 0, 1), "sign, and shift"));
  Scale::factor = 3, Scale::by_n = 0, Scale::shift = 0;
}

TEST_CASE("puzzles: the first wrong entry is shown with its numbers, whatever the mistake") {
  Scale::factor = -3;
  const std::string entry = diagnose<Scale>().entry;
  CAPTURE(entry);
  CHECK(entry.starts_with("entry 0 of 8 is "));
  const double given = std::stod(entry.substr(16));
  const double right = std::stod(entry.substr(entry.find("say ") + 4));
  CHECK(given == doctest::Approx(-right));
  Scale::factor = 3;
  CHECK(diagnose<Scale>().entry.empty());
}

TEST_CASE("puzzles: a conjugate, a missing 1/F and uncounted bins are told apart") {
  const auto with = [](bool conjugated, bool normalised, bool counted) {
    Inverse::conjugated = conjugated, Inverse::normalised = normalised, Inverse::counted = counted;
    return diagnose<Inverse>().mistake;
  };
  CHECK(with(false, true, true) == "the gradient is right in float64");
  CHECK(contains(with(true, true, true), "conjugate: one is missing"));
  CHECK(contains(with(false, false, true),
                 "factor of F, the number of outputs; is a division by F missing?"));
  CHECK(with(false, true, false) ==
        "factor: some entries are 0.5 times what they should be, the others right; in the first "
        "case entries 1, 2, 3");
  CHECK(contains(with(true, false, true), "conjugate, and factor"));
  CHECK(contains(diagnose<Product>().mistake, "conjugate: one is missing"));
  Inverse::conjugated = false, Inverse::normalised = Inverse::counted = true;
}

TEST_CASE("puzzles: a gradient of the wrong size is refused") {
  CHECK(diagnose<WrongSize>().mistake == "size: the gradient has 2 numbers, the input 5");
}
