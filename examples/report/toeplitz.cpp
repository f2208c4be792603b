// A Toeplitz matrix, and its product by FFT.
#include <algorithm>

#include "examples/report/kernels.h"
#include "examples/report/sections.h"

namespace skiff::report {
namespace {

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (size_t i = 0; i < b.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

Matrix circulant_matrix(const Kernel& k, int64_t n, int64_t F) {
  const std::vector<double> around = circle_of(k, n, F);
  Matrix C(F, F);
  for (int64_t i = 0; i < F; ++i)
    for (int64_t j = 0; j < F; ++j) C(i, j) = around[size_t(((i - j) % F + F) % F)];
  return C;
}

}  // namespace

void add_toeplitz(Page& page, uint64_t seed) {
  const ExampleKernel k(seed);
  const int64_t n = k.n, F = 2 * n;
  const Matrix T = toeplitz_matrix(k, n);
  page.count("toeplitz.n", n);
  page.count("toeplitz.lags", 2 * n - 1);
  page.count("toeplitz.entries", n * n);
  draw(page.values, "toeplitz.matrix", heat_map(T));
  const std::vector<double> lags = integers(-(n - 1), n - 1);
  draw(page.values, "toeplitz.diagonals",
       charts::Chart{.x_label = "lag i − j",
                     .y_label = "t",
                     .series = {{"", lags, values_of(k, lags), 0, Series::Stems}}});

  const std::vector<double> x = random_signal(n, seed, 2);
  std::vector<double> dense(size_t(n), 0);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) dense[size_t(i)] += T(i, j) * x[size_t(j)];
  const std::vector<double> fast =
      to_vector(toeplitz(lags_of(k, n), column(x), Direction::Bidirectional).value());
  page.number("toeplitz.error", largest_difference(fast, dense), "%.1e");
  charts::HeatMap circulant = heat_map(circulant_matrix(k, n, F));
  circulant.row_label = circulant.column_label = "slot";
  const double side = double(n);
  circulant.outlines = {{0, 0, side, side, "T"},
                        {0, side, side, side, "meets zeros"},
                        {side, 0, side, side, "cut off"}};
  draw(page.values, "toeplitz.circulant", circulant);
  const std::vector<double> positions = integers(0, n - 1);
  draw(page.values, "toeplitz.products",
       charts::Chart{.x_label = "position i",
                     .y_label = "y",
                     .series = {{"dense: " + std::to_string(n * n) + " products", positions, dense},
                                {"FFT", positions, fast, 1, Series::Points}}});

  const std::vector<double> lengths = integers(n, 2 * n + 8);
  std::vector<double> errors;
  for (const double length : lengths) {
    const int64_t slots = int64_t(length);
    const Variable S = rfft(column(circle_of(k, n, slots)), slots, 0);
    errors.push_back(
        largest_difference(to_vector(spectral_conv(column(x), S, slots).value()), dense));
  }
  page.number("toeplitz.error-F-n", errors.front(), "%.2f");
  page.number("toeplitz.error-F-2n-2", errors[size_t(n - 2)], "%.1e");
  page.number("toeplitz.error-F-2n-1", errors[size_t(n - 1)], "%.1e");
  draw(page.values, "toeplitz.circle",
       charts::Chart{.x_label = "length F of the circle",
                     .y_label = "largest error",
                     .series = {{"", lengths, errors, 0, Series::Points}},
                     .log_y = true,
                     .marks = {{double(2 * n - 1), "2n − 1"}}});
}

}  // namespace skiff::report
