// The error of SKI: of the interpolation, of the rank, and of a kernel with spikes.
#include <algorithm>

#include "examples/report/kernels.h"
#include "examples/report/sections.h"

namespace skiff::report {
namespace {

constexpr int64_t kN = 128;
const std::vector<int64_t> kRanks = {4, 6, 8, 12, 16, 24, 32, 48, 64, 96};

double smooth(double l) { return std::exp(-std::pow(l / 24, 2)); }
double spiky(double l) { return std::exp(-std::abs(l) / 1.5); }

double largest_second_derivative(const Kernel& k, double reach) {
  double largest = 0;
  const double h = 1e-3;
  for (double l = -reach; l <= reach; l += 0.25)
    largest = std::max(largest, std::abs(k(l + h) - 2 * k(l) + k(l - h)) / (h * h));
  return largest;
}

double distance_of(int64_t r) { return double(kN - 1) / double(r - 1); }

// Over kRanks: norm and largest entry of T - W A W^T, and the norm of the best of that rank.
struct Errors {
  std::vector<double> r, norm, best, entry;
  explicit Errors(const Kernel& k) {
    const Matrix T = toeplitz_matrix(k, kN);
    const std::vector<double> sigma = singular_values(T);
    for (const int64_t rank : kRanks) {
      const Matrix E = T - low_rank_matrix(k, kN, rank);
      r.push_back(double(rank));
      norm.push_back(spectral_norm(E));
      entry.push_back(largest_entry(E));
      best.push_back(sigma[size_t(rank)]);
    }
  }
  static size_t at(int64_t rank) {
    return size_t(std::find(kRanks.begin(), kRanks.end(), rank) - kRanks.begin());
  }
};

charts::Chart error_chart(double lowest, const std::vector<Series>& series) {
  return {.x_label = "rank r",
          .y_label = "spectral norm of the error",
          .series = series,
          .log_x = true,
          .log_y = true,
          .y0 = lowest};
}

// The largest error of reading the smooth kernel once, between r inducing points.
double one_interpolation_error(int64_t r) {
  std::vector<double> points;
  for (int64_t j = 0; j < r; ++j) points.push_back(smooth(double(j) * distance_of(r)));
  const std::vector<double> read = to_vector(interpolate(column(points), {kN, r}).value());
  double largest = 0;
  for (int64_t i = 0; i < kN; ++i)
    largest = std::max(largest, std::abs(read[size_t(i)] - smooth(double(i))));
  return largest;
}

// The error for the spiky kernel when a filter of K numbers takes the middle diagonals.
Series banded(int64_t K, int color) {
  const Matrix T = toeplitz_matrix(spiky, kN);
  const double m = double(K - 1) / 2 + 1;  // beyond the band the kernel is taken as it is
  const Kernel tail = [m](double l) { return spiky(std::max(std::abs(l), m)); };
  Series line{"K = " + std::to_string(K), {}, {}, color};
  for (const int64_t r : kRanks) {
    const Matrix low_rank = low_rank_matrix(tail, kN, r);
    const Matrix band = band_matrix(band_filter(T - low_rank, K), kN);
    line.x.push_back(double(r));
    line.y.push_back(spectral_norm(T - low_rank - band));
  }
  return line;
}

}  // namespace

void add_errors(Page& page) {
  const double curvature = largest_second_derivative(smooth, double(kN));
  const Errors a(smooth), b(spiky);
  std::vector<double> bound;  // of the norm
  for (const int64_t r : kRanks)
    bound.push_back(std::pow(distance_of(r), 2) / 4 * curvature * double(kN));
  const size_t r16 = Errors::at(16), r32 = Errors::at(32), r64 = Errors::at(64);
  page.number("errors.curvature", curvature, "%.5f");
  page.number("errors.one-interpolation", one_interpolation_error(16), "%.4f");
  page.number("errors.one-bound", std::pow(distance_of(16), 2) / 8 * curvature, "%.4f");
  page.number("errors.entry", a.entry[r16], "%.4f");
  page.number("errors.entry-bound", bound[r16] / double(kN), "%.4f");
  page.number("errors.slope", std::log(a.norm[r64] / a.norm[r16]) / std::log(63.0 / 15), "%.2f");
  draw(page.values, "errors.smooth-chart",
       error_chart(1e-6, {{"bound n H²/4 max|κ″|", a.r, bound, 2, Series::Dashed},
                          {"T − W A Wᵀ", a.r, a.norm},
                          {"best of rank r", a.r, a.best, 3, Series::Points}}));

  page.number("errors.spiky", b.norm[r32], "%.2f");
  page.number("errors.spiky-best", b.best[r32], "%.2f");
  draw(page.values, "errors.spiky-chart",
       error_chart(1e-2, {{"T − W A Wᵀ", b.r, b.norm, 1},
                          {"best of rank r", b.r, b.best, 3, Series::Points}}));

  const std::vector<Series> bands = {
      {"no band", b.r, b.norm, 1}, banded(1, 4), banded(5, 0), banded(9, 2), banded(17, 3)};
  const double with_nine = bands[3].y[r32];
  page.number("errors.banded", with_nine, "%.4f");
  page.number("errors.gain", b.norm[r32] / with_nine, "%.0f");
  draw(page.values, "errors.band-chart", error_chart(NAN, bands));
}

}  // namespace skiff::report
