#include "examples/report/pictures.h"

#include <numbers>

#include "examples/charts/diagram.h"
#include "examples/report/kernels.h"

namespace skiff::report {
namespace {

using charts::Diagram;

// The weights of a matrix as arrows: forward from x to y, backward the same arrows turned round.
Picture adjoint_picture() {
  const double weights[2][3] = {{1, -2, 0}, {0.5, 4, 3}};
  Diagram d;
  for (const bool backward : {false, true}) {
    const double left = backward ? 380 : 40, right = left + 200;
    d.text(left - 16, 20, backward ? "backward: gx = Aᵀ gy" : "forward: y = A x", "b");
    const auto y_in = [](int j) { return 60.0 + 56 * j; };
    const auto y_out = [](int i) { return 88.0 + 56 * i; };
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 3; ++j) {
        if (weights[i][j] == 0) continue;
        std::vector<std::pair<double, double>> way = {{left + 16, y_in(j)}, {right - 16, y_out(i)}};
        if (backward) std::swap(way[0], way[1]);
        d.arrow(way, i == 0 ? "s c0" : "s c1");
        const double share = i == 0 ? 0.22 : 0.4;
        d.text(left + 16 + share * (right - left - 32), y_in(j) + share * (y_out(i) - y_in(j)) - 4,
               charts::short_number(weights[i][j]), "v halo", "middle");
      }
    for (int j = 0; j < 3; ++j)
      d.text(left + 10, y_in(j) + 4, (backward ? "gx[" : "x[") + std::to_string(j) + "]", "v",
             "end");
    for (int i = 0; i < 2; ++i)
      d.text(right - 10, y_out(i) + 4, (backward ? "gy[" : "y[") + std::to_string(i) + "]", "v");
  }
  return {"adjoint", "A linear map as weighted arrows; backward follows them in reverse", 640, 200,
          d.drawing()};
}

// The bins of one length; bins k and F - k are joined.
void draw_bins(Diagram& d, double top, int F) {
  const double left = 120, step = 58;
  const auto x = [&](int k) { return left + step * k; };
  d.text(8, top + 46, "F = " + std::to_string(F), "b");
  for (int k = 1; 2 * k < F; ++k) {
    const double height = 9.0 * (F - 2 * k);
    std::vector<std::pair<double, double>> arc;
    for (int i = 0; i <= 24; ++i) {
      const double angle = std::numbers::pi * i / 24;
      arc.push_back({x(k) + (x(F - k) - x(k)) * (1 - std::cos(angle)) / 2,
                     top + 30 - height * std::sin(angle)});
    }
    d.line(arc, "thin");
  }
  for (int k = 0; k < F; ++k) {
    const bool kept = k <= F / 2;
    if (kept)
      d.dot(x(k), top + 42, 0, 10);
    else
      d.node(x(k), top + 42, "");
    d.text(x(k), top + 46, std::to_string(k), kept ? "badge-text" : "", "middle");
    if (kept) d.text(x(k), top + 74, k == 0 || 2 * k == F ? "c = 1" : "c = 2", "v", "middle");
  }
  d.text((x(F / 2 + 1) + x(F - 1)) / 2, top + 74, "not kept: conjugates", "", "middle");
}

Picture half_spectrum_picture() {
  Diagram d;
  draw_bins(d, 50, 8);
  draw_bins(d, 180, 7);
  return {"half_spectrum",
          "The bins of an even and an odd length: bin F - k is the conjugate of bin k, so c = 2 "
          "bins of the whole spectrum belong to each kept bin but the first and, for even F, the "
          "middle one",
          600, 268, d.drawing()};
}

Picture circle_picture() {
  Diagram d;
  const int n = 4, F = 2 * n;
  const double x = 170, y = 165, radius = 96;
  std::vector<std::pair<double, double>> around;
  for (int i = 0; i <= 72; ++i) {
    const double angle = 2 * std::numbers::pi * i / 72;
    around.push_back({x + radius * std::cos(angle), y + radius * std::sin(angle)});
  }
  d.line(around, "edge");
  for (int slot = 0; slot < F; ++slot) {
    const double angle = 2 * std::numbers::pi * slot / F - std::numbers::pi / 2;
    const auto at = [&](double r) {
      return std::pair{x + r * std::cos(angle), y + r * std::sin(angle)};
    };
    const auto [px, py] = at(radius);
    const auto [wx, wy] = at(radius + 38);
    if (slot == n)
      d.node(px, py, "");
    else
      d.dot(px, py, slot < n ? 0 : 1, 11);
    d.text(px, py + 4.5, std::to_string(slot), slot == n ? "" : "badge-text", "middle");
    const int lag = slot < n ? slot : slot - F;
    d.text(wx, wy + 4, slot == n ? "empty" : "lag " + charts::short_number(lag), "v", "middle");
  }
  d.text(330, 90, "n = 4 positions, F = 2n = 8 slots", "b");
  d.text(330, 116, "lag l ≥ 0 is in slot l: the past", "");
  d.text(330, 138, "lag −l is in slot F − l: the future", "");
  d.text(330, 168, "From F = 2n − 1 on, no two lags share a slot:");
  d.text(330, 190, "the first n outputs are those of a line.");
  return {"circle", "The lags of a Toeplitz matrix around a circle of slots", 690, 320,
          d.drawing()};
}

Picture interpolation_picture() {
  Diagram d;
  const double x[] = {60, 240, 420, 580}, y[] = {150, 70, 110, 60};
  for (int j = 0; j < 3; ++j) d.line({{x[j], y[j]}, {x[j + 1], y[j + 1]}}, "s c0");
  for (int j = 0; j < 4; ++j) {
    d.line({{x[j], 190}, {x[j], y[j]}}, "grid");
    d.dot(x[j], y[j], 0, 5);
    d.text(x[j], 210, "point " + std::to_string(j), "v", "middle");
    d.text(x[j], y[j] - 12, "s[" + std::to_string(j) + "]", "b halo", "middle");
  }
  d.line({{30, 190}, {610, 190}});
  const double f = 0.3, px = x[1] + f * (x[2] - x[1]), py = y[1] + f * (y[2] - y[1]);
  d.line({{px, 190}, {px, py}}, "thin");
  d.dot(px, py, 1, 5);
  d.text(px + 4, 182, "position i", "v halo");
  d.text(250, 24, "(W s)[i] = (1 − f) s[1] + f s[2]", "b");
  d.line({{px + 12, 30}, {px + 2, py - 7}}, "thin");
  d.arrow({{px - 3, 226}, {x[1] + 8, 226}}, "s c1");
  d.arrow({{px + 3, 226}, {x[2] - 8, 226}}, "s c1");
  d.text((x[1] + px) / 2, 246, "1 − f", "v", "middle");
  d.text((x[2] + px) / 2, 246, "f", "v", "middle");
  d.text(px, 268, "backward: gy[i] returns to both points, with the same weights", "", "middle");
  return {"interpolation", "A position between two inducing points, and the way of its gradient",
          640, 280, d.drawing()};
}

std::string cells(const Matrix& m, double side, double limit) {
  return charts::cells(heat_map(m, limit), side);
}

Picture ski_picture() {
  const ExampleKernel k(1);
  const int64_t n = 24, r = 6;
  const Matrix T = toeplitz_matrix(k, n);
  const Matrix low_rank = low_rank_matrix(ExampleKernel::smooth, n, r);
  const Matrix band = band_matrix(band_filter(T - low_rank, 5), n);
  const Matrix W = matrix_of(r, [](const Variable& s) {
    return interpolate(s, InterpolationMatrix{24, 6});
  });
  const double step = double(n - 1) / double(r - 1);
  const Matrix A = toeplitz_matrix([&](double l) { return ExampleKernel::smooth(l * step); }, r);
  const double limit = largest_entry(T), side = 7, top = 34;
  Diagram d;
  double x = 12;
  const auto matrix = [&](const std::string& name, const Matrix& m, double scale) {
    d.text(x + side * double(m.columns) / 2, 22, name, "b", "middle");
    d.add(cells(m, side, scale), x, top);
    x += side * double(m.columns);
  };
  const auto sign = [&](const std::string& word) {
    d.text(x + 16, top + side * double(n) / 2 + 5, word, "b", "middle");
    x += 32;
  };
  matrix("T", T, limit), sign("≈");
  matrix("S", band, limit), sign("+");
  matrix("W", W, 1.3), x += 10;
  matrix("A", A, limit), x += 10;
  matrix("Wᵀ", transposed(W), 1.3);
  const double foot = top + side * double(n) + 22;
  d.text(12, foot, "any kernel");
  d.text(212, foot, "spikes: a short filter");
  d.text(412, foot, "smooth: r inducing points");
  return {"ski",
          "A Toeplitz matrix T as a band S plus W A W transposed, where A is a small Toeplitz "
          "matrix between inducing points and W interpolates",
          x + 12, foot + 12, d.drawing()};
}

Picture hilbert_picture() {
  const int64_t F = 16;
  std::vector<double> R;
  for (int64_t k = 0; k <= F / 2; ++k) {
    const double w = 2 * std::numbers::pi * double(k) / double(F);
    R.push_back(1.4 * std::exp(-std::pow((w - 0.7) / 0.45, 2)) + 0.3);
  }
  const Tensor even = to_complex(column(R), zeros({F / 2 + 1, 1}, DType::Float64)).value();
  const std::vector<double> e = to_vector(irfft(even, F).value());
  const std::vector<double> h = to_vector(irfft(hilbert(column(R), F), F).value());
  std::vector<double> times = integers(0, F - 1), w(size_t(F), 0);
  for (int64_t t = 0; t <= F / 2; ++t) w[size_t(t)] = t == 0 || 2 * t == F ? 1 : 2;
  Diagram d;
  double x = 0;
  const auto chart = [&](const std::string& title, const std::vector<double>& v, int color) {
    const charts::Chart c{.title = title,
                          .x_label = "slot t",
                          .series = {{"", times, v, color, charts::Series::Stems}},
                          .marks = {{double(F) / 2, "F/2"}},
                          .width = 260,
                          .height = 200};
    d.add(charts::drawing(c), x, 0);
    x += 260;
  };
  chart("e = irfft(R) is even", e, 2);
  chart("w folds the future back", w, 3);
  chart("h = w e is causal", h, 0);
  return {"hilbert",
          "An even signal, the window that folds its second half onto its first, and the causal "
          "signal with the same real part of the spectrum",
          x, 200, d.drawing()};
}

Picture spectral_conv_picture() {
  Diagram d;
  const char* const forward[] = {"pad", "rfft", "· S", "irfft", "cut"};
  const char* const backward[] = {"cut", "rfftᵀ", "· conj(S)", "irfftᵀ", "pad"};
  const double step = 112;
  d.text(20, 54, "x", "b", "middle");
  d.text(20, 134, "gx", "b", "middle");
  for (int i = 0; i < 5; ++i) {
    const double x = 50 + step * i;
    d.arrow({{x - (i == 0 ? 20 : 24), 50}, {x - 2, 50}});
    d.box(x, 34, 86, 32, forward[i]);
    d.arrow({{x - 2, 130}, {x - (i == 0 ? 18 : 24), 130}});
    d.box(x, 114, 86, 32, backward[i]);
    d.line({{x + 43, 70}, {x + 43, 110}}, "thin");
  }
  const double end = 50 + step * 5;
  d.arrow({{end - 24, 50}, {end - 2, 50}});
  d.text(end + 10, 54, "y", "b", "middle");
  d.arrow({{end - 2, 130}, {end - 24, 130}});
  d.text(end + 12, 134, "gy", "b", "middle");
  d.text(20, 20, "forward");
  d.text(20, 172, "backward: the transpose of each step, in reverse order");
  return {"spectral_conv", "The steps of spectral_conv and their transposes in reverse order", 640,
          182, d.drawing()};
}

Picture norm_picture() {
  Diagram d;
  const double x = 130, y = 190;
  d.arrow({{x, y}, {x + 190, y - 95}}, "s c0");
  d.text(x + 198, y - 95, "y = x/ρ", "b");
  d.arrow({{x, y}, {x + 60, y - 150}}, "s c1");
  d.text(x + 60, y - 158, "gy", "b", "middle");
  d.arrow({{x, y}, {x + 108, y - 54}}, "s c0 dash");
  d.text(x + 112, y - 36, "the part along y is taken out", "halo");
  d.line({{x + 60, y - 150}, {x + 108, y - 54}}, "thin");
  d.arrow({{x, y}, {x - 48, y - 96}}, "s c2");
  d.text(x - 54, y - 104, "ρ gx", "b", "middle");
  return {"norm", "The gradient of a root mean square norm is gy without its part along y", 520,
          210, d.drawing()};
}

}  // namespace

Picture block_picture() {
  Diagram d;
  d.text(180, 16, "n positions, D channels", "v", "middle");
  const auto half = [&](double top, const std::string& unit) {
    d.arrow({{180, top}, {180, top + 26}});
    d.box(110, top + 26, 140, 30, "norm");
    d.arrow({{180, top + 56}, {180, top + 74}});
    d.box(70, top + 74, 220, 40, unit);
    d.arrow({{180, top + 114}, {180, top + 132}});
    d.arrow({{180, top + 10}, {330, top + 10}, {330, top + 144}, {193, top + 144}});
    d.node(180, top + 144, "+");
  };
  half(24, "GTU: mixes positions");
  half(180, "GLU: mixes channels");
  d.arrow({{180, 336}, {180, 358}});
  d.text(180, 374, "to the next block", "v", "middle");
  return {"block", "A block of a Toeplitz neural network", 360, 384, d.drawing()};
}

Picture gtu_picture() {
  Diagram d;
  d.text(125, 14, "x", "b", "middle");
  d.line({{125, 20}, {125, 34}});
  d.arrow({{125, 34}, {60, 34}, {60, 56}});
  d.arrow({{125, 34}, {190, 34}, {190, 56}});
  d.box(4, 56, 112, 36, "silu(linear)");
  d.box(134, 56, 112, 36, "silu(linear)");
  d.text(66, 112, "u", "b");
  d.text(196, 112, "v", "b");
  d.arrow({{190, 92}, {190, 150}});
  d.box(134, 150, 112, 40, "T v");
  d.text(308, 34, "lags", "v", "middle");
  d.arrow({{308, 40}, {308, 56}});
  d.box(262, 56, 94, 36, "network");
  d.arrow({{308, 92}, {308, 155}});
  d.box(262, 155, 94, 30, "kernel t");
  d.arrow({{262, 170}, {248, 170}});
  d.arrow({{190, 190}, {190, 216}});
  d.arrow({{60, 92}, {60, 228}, {177, 228}});
  d.node(190, 228, "×");
  d.arrow({{190, 239}, {190, 264}});
  d.box(134, 264, 112, 36, "linear");
  d.arrow({{190, 300}, {190, 322}});
  d.text(190, 338, "y", "b", "middle");
  d.text(4, 364, "backward, with g the gradient of T v:", "v");
  d.text(4, 384, "to v: Tᵀ g;  to the kernel: gt[l] = Σ g[i] v[i − l]", "v");
  return {"gtu", "A gated Toeplitz unit: where the kernel comes from and where it goes", 360, 394,
          d.drawing()};
}

std::vector<Picture> pictures() {
  return {adjoint_picture(),       half_spectrum_picture(),
          spectral_conv_picture(), circle_picture(),
          ski_picture(),           hilbert_picture(),
          interpolation_picture(), norm_picture(),
          block_picture(),         gtu_picture()};
}

}  // namespace skiff::report
