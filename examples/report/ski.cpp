// SKI: a Toeplitz matrix as a band and a matrix of low rank, and what is left.
#include "examples/report/kernels.h"
#include "examples/report/sections.h"

namespace skiff::report {
namespace {

struct Split {
  Matrix low_rank, band, rest;
  double norm, fused_error;  // of the rest; of the op ski against the sum of its parts
};

Split split(const ExampleKernel& k, const Matrix& T, int64_t r, int64_t K) {
  const int64_t n = k.n;
  Split s;
  s.low_rank = low_rank_matrix(ExampleKernel::smooth, n, r);
  const Tensor filter = K > 0 ? band_filter(T - s.low_rank, K) : column({0});
  s.band = band_matrix(filter, n);
  s.rest = T - s.low_rank - s.band;
  s.norm = spectral_norm(s.rest);
  const Tensor between = lags_of(ExampleKernel::smooth, r, double(n - 1) / double(r - 1));
  const Matrix whole = matrix_of(n, [&](const Variable& x) { return ski(x, filter, between); });
  s.fused_error = largest_entry(T - s.rest - whole);
  return s;
}

std::string band_name(int64_t K) { return K == 0 ? "no band" : "K = " + std::to_string(K); }

const std::vector<int64_t> kWidths = {0, 5, 9};

// A table of norms, and a picture per cell of the table to step through.
void add_residuals(Page& page, const ExampleKernel& k, const Matrix& T, double limit) {
  std::vector<std::pair<std::string, std::string>> panels;
  std::vector<std::vector<std::string>> rows;
  for (const int64_t r : {4, 8, 16, 32}) {
    rows.push_back({"r = " + std::to_string(r)});
    for (const int64_t K : kWidths) {
      const Split part = split(k, T, r, K);
      const std::string key = "ski.residual." + std::to_string(r) + "." + std::to_string(K);
      const std::string norm = page.number(key, part.norm, part.norm < 1e-3 ? "%.1e" : "%.3f");
      rows.back().push_back(norm);
      Values local = {{"label", rows.back().front() + ", " + band_name(K)}, {"norm", norm}};
      draw(local, "rest", heat_map(part.rest, limit / 4));
      panels.push_back({local["label"], page.render("residual.html", local)});
    }
  }
  page.set("ski.panels", frames("residual", "Step through the residual", panels));
  page.set("ski.residuals", table_rows(rows));
}

void add_curves(Page& page, const ExampleKernel& k, const Matrix& T) {
  charts::Chart chart{.x_label = "rank r",
                      .y_label = "spectral norm of the residual",
                      .log_x = true,
                      .log_y = true};
  for (const int64_t K : kWidths) {
    Series curve{band_name(K), {}, {}, int(chart.series.size())};
    for (const int64_t r : {4, 5, 6, 8, 11, 16, 22, 28}) {
      curve.x.push_back(double(r));
      curve.y.push_back(split(k, T, r, K).norm);
    }
    chart.series.push_back(curve);
  }
  draw(page.values, "ski.curves", chart);
}

}  // namespace

void add_ski(Page& page, uint64_t seed) {
  const ExampleKernel k(seed);
  const Matrix T = toeplitz_matrix(k, k.n);
  const double limit = largest_entry(T);
  const Split s = split(k, T, 8, 5);
  draw(page.values, "ski.T", heat_map(T, limit));
  draw(page.values, "ski.S", heat_map(s.band, limit));
  draw(page.values, "ski.low-rank", heat_map(s.low_rank, limit));
  draw(page.values, "ski.rest", heat_map(s.rest, limit));
  page.number("ski.residual", s.norm, "%.3f");
  page.number("ski.norm", spectral_norm(T), "%.2f");
  page.number("ski.fused-error", s.fused_error, "%.1e");
  add_residuals(page, k, T, limit);
  add_curves(page, k, T);
  add_warp(page);
  add_published_w(page);
}

}  // namespace skiff::report
