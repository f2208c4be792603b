// The table of SKI-TNN, read on a warped lag axis.
#include "examples/report/kernels.h"
#include "examples/report/sections.h"

namespace skiff::report {
namespace {

double sign_of(double v) { return v < 0 ? -1 : 1; }
double warp(double base, double l) { return sign_of(l) * std::pow(base, std::abs(l)); }

}  // namespace

void add_warp(Page& page) {
  const int64_t n = 32, r = 8;
  const double base = std::pow(double(r), -1.0 / double(n - 1));
  const std::vector<double> lags = integers(-(n - 1), n - 1);
  const std::vector<double> table = {0.1,  -0.5, -0.9, -0.6, 0.2,  0.5, 0.3, 0.1, 0,
                                     0.15, 0.5,  0.8,  0.4,  -0.2, 0.3, 1.1, 1.6};
  std::vector<double> warped, steep;
  for (const double l : lags) warped.push_back(warp(base, l)), steep.push_back(warp(0.6, l));
  std::vector<double> broken = lags;  // the sides do not meet: no line from lag -1 to lag 0
  for (std::vector<double>* v : {&broken, &warped, &steep}) v->insert(v->begin() + n - 1, NAN);
  const std::vector<double> kernel =
      to_vector(warped_kernel(column(table), lags, base, Direction::Bidirectional).value());
  std::vector<double> grid, grid_lags, grid_values;
  for (int64_t j = 0; j <= 2 * r; ++j) {
    if (j == r || j == 0) continue;  // lag infinity; lag 0 from below, never reached
    const double w = double(j - r) / double(r);
    grid.push_back(w);
    grid_lags.push_back(sign_of(w) * std::log(std::abs(w)) / std::log(base));
    grid_values.push_back(table[size_t(j)]);
  }
  draw(page.values, "ski.warp",
       charts::Chart{.x_label = "lag l",
                     .y_label = "w(l)",
                     .series = {{"λ = r^(−1/(n−1))", broken, warped},
                                {"λ = 0.6", broken, steep, 1, Series::Dashed},
                                {"grid", grid_lags, grid, 0, Series::Points}}});
  draw(page.values, "ski.table",
       charts::Chart{
           .x_label = "lag l",
           .y_label = "κ(l)",
           .series = {{"κ", lags, kernel}, {"grid", grid_lags, grid_values, 0, Series::Points}}});
  const double H = 4095.0 / 63;
  page.number("ski.lambda", base, "%.4f");
  page.number("ski.H", H, "%.0f");
  page.number("ski.warp-collapse", std::pow(0.9, H), "%.1e");
  page.number("ski.collapse-share", 64 * std::pow(0.9, H), "%.2f");
}

}  // namespace skiff::report
