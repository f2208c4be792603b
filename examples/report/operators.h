// The report's sections on the operators: Toeplitz, SKI, its errors, FD. Each takes a Page and adds
// what the ops of the library compute.
#pragma once

#include <numbers>

#include "autograd/ops.h"
#include "core/random.h"
#include "examples/charts/figures.h"
#include "examples/train/recipes.h"

namespace skiff::report {

using figure::Chart;
using figure::HeatMap;
using figure::Series;
using Kernel = std::function<double(double)>;  // of the lag

inline Tensor column(const std::vector<double>& v) { return tensor_of(v, {int64_t(v.size()), 1}); }
inline std::vector<double> integers(int64_t first, int64_t last) {
  std::vector<double> v;
  for (int64_t i = first; i <= last; ++i) v.push_back(double(i));
  return v;
}

// A kernel around a circle of F slots: lag l in slot l mod F. Lags that meet are added.
inline std::vector<double> circle_of(const Kernel& k, int64_t n, int64_t F) {
  std::vector<double> a(size_t(F), 0);
  for (int64_t l = -(n - 1); l < n; ++l) a[size_t(((l % F) + F) % F)] += k(double(l));
  return a;
}
// Taps as toeplitz() wants them: lags 0 .. n-1, none, -(n-1) .. -1.
inline Tensor taps_of(const Kernel& k, int64_t n, double step = 1) {
  std::vector<double> t(size_t(2 * n), 0);
  for (int64_t l = -(n - 1); l < n; ++l) t[size_t(l >= 0 ? l : 2 * n + l)] = k(double(l) * step);
  return column(t);
}
inline Matrix toeplitz_matrix(const Kernel& k, int64_t n) {
  Matrix T(n, n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) T(i, j) = k(double(i - j));
  return T;
}
// W A W^T: A holds the kernel at r inducing points.
inline Matrix low_rank_matrix(const Kernel& k, int64_t n, int64_t r, bool published = false) {
  const InterpolationMatrix W{.n = n, .r = r, .published = published};
  const Tensor taps = taps_of(k, r, double(n - 1) / double(r - 1));
  return matrix_of(n, [&](const Variable& x) {
    return interpolate(toeplitz(taps, interpolate_adjoint(x, W), Direction::Bidirectional), W);
  });
}
// Taps of a centred convolution that make up for the mean of each diagonal of E, |lag| <= (K-1)/2.
inline Tensor band_taps(const Matrix& E, int64_t K) {
  std::vector<double> c;
  for (int64_t q = 0; q < K; ++q) {
    const int64_t lag = (K - 1) / 2 - q;
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < E.rows; ++i)
      if (i - lag >= 0 && i - lag < E.columns) sum += E(i, i - lag), ++count;
    c.push_back(sum / double(count));
  }
  return column(c);
}
inline Matrix band_matrix(const Tensor& taps, int64_t n) {
  return matrix_of(n, [&](const Variable& x) { return conv1d(x, taps, Direction::Bidirectional); });
}
inline std::vector<double> values_of(const Kernel& k, const std::vector<double>& lags) {
  std::vector<double> v;
  for (const double l : lags) v.push_back(k(l));
  return v;
}

// The kernel of the first two sections: smooth, with spikes at lags -2 .. 2.
struct Example {
  int64_t n = 32;
  Kernel smooth = [](double l) {
    return 0.9 * std::exp(-std::pow((l - 4) / 11, 2)) - 0.4 * std::exp(-std::pow((l + 10) / 7, 2));
  };
  std::vector<double> spikes;
  explicit Example(uint64_t seed) {
    Random random(seed, 1);
    for (int i = 0; i < 5; ++i) spikes.push_back(0.9 * random.normal());
  }
  double operator()(double l) const {
    const bool near = std::abs(l) <= 2 && l == std::floor(l);
    return smooth(l) + (near ? spikes[size_t(l + 2)] : 0);
  }
};

inline std::vector<double> random_signal(int64_t n, uint64_t seed, uint64_t stream) {
  Random random(seed, stream);
  std::vector<double> x;
  for (int64_t i = 0; i < n; ++i) x.push_back(random.normal());
  return x;
}

inline void add_toeplitz(Page& page, uint64_t seed) {
  const Example k(seed);
  const int64_t n = k.n, F = 2 * n;
  const Matrix T = toeplitz_matrix(k, n);
  page.section("toeplitz", "Toeplitz", "Toeplitz: a matrix with one number a diagonal");
  page.formula("y<sub>i</sub> = Σ<sub>j</sub> t<sub>i−j</sub> x<sub>j</sub>");
  page.text(
      "Output i looks at input j through a weight that depends on their distance, the <em>lag</em> "
      "i − j, alone. "
      "So the " +
      page.count("toeplitz.n", n) + " × " + formatted("%.0f", double(n)) + " matrix below has " +
      page.count("toeplitz.lags", 2 * n - 1) + " different numbers, not " +
      page.count("toeplitz.entries", n * n) +
      ". Positive lags look back, negative ones ahead; a causal model has none of those.");
  const std::vector<double> lags = integers(-(n - 1), n - 1);
  page.figures(
      {figure::heat_map(
           {.caption = "<b>The matrix T.</b> Every diagonal has one colour. The spikes sit at lags "
                       "−2 to 2.",
            .label = "Heat map of a 32 by 32 Toeplitz matrix: constant along every diagonal.",
            .values = T}),
       figure::chart(
           {.caption =
                "<b>Its diagonals</b>, from lag −31 (top right corner) to lag 31 (bottom left).",
            .label = "The kernel over the lag: smooth hills with five spikes around lag 0.",
            .x_label = "lag i − j",
            .y_label = "t",
            .series = {{"", lags, values_of(k, lags), 0, Series::Stems}}})});

  page.heading("By FFT: the matrix in a circle");
  page.text(
      "An FFT multiplies by a <em>circulant</em> matrix, whose diagonals come in again on the "
      "other side. A Toeplitz matrix "
      "fits into one of twice the size: lag l in slot l, lag −l in slot F − l. Then y = "
      "irfft(rfft(a) · rfft(x padded with "
      "zeros)), of which the first n numbers are kept.");
  const std::vector<double> around = circle_of(k, n, F);
  Matrix C(F, F);
  for (int64_t i = 0; i < F; ++i)
    for (int64_t j = 0; j < F; ++j) C(i, j) = around[size_t(((i - j) % F + F) % F)];
  const std::vector<double> x = random_signal(n, seed, 2);
  std::vector<double> dense(size_t(n), 0);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) dense[size_t(i)] += T(i, j) * x[size_t(j)];
  const std::vector<double> fast =
      to_vector(toeplitz(taps_of(k, n), column(x), Direction::Bidirectional).value());
  const auto circular_error = [&](int64_t length) {
    const Variable S = rfft(column(circle_of(k, n, length)), length, 0);
    const std::vector<double> y = to_vector(spectral_conv(column(x), S, length).value());
    double worst = 0;
    for (int64_t i = 0; i < n; ++i)
      worst = std::max(worst, std::abs(y[size_t(i)] - dense[size_t(i)]));
    return worst;
  };
  double error = 0;
  for (int64_t i = 0; i < n; ++i)
    error = std::max(error, std::abs(fast[size_t(i)] - dense[size_t(i)]));
  const std::vector<double> positions = integers(0, n - 1), lengths = integers(n, 2 * n + 8);
  std::vector<double> errors;
  for (const double length : lengths) errors.push_back(circular_error(int64_t(length)));
  page.figures(
      {figure::heat_map({.caption = "<b>The circulant of size 64.</b> T is the block at the top "
                                    "left. The diagonals that leave on one "
                                    "side come back in the corner blocks: the padding’s zeros keep "
                                    "them from the output.",
                         .label = "Heat map of a 64 by 64 circulant matrix; the Toeplitz matrix is "
                                  "its upper left quarter.",
                         .values = C,
                         .row_label = "slot",
                         .column_label = "slot",
                         .outlines = {{0, 0, double(n), double(n), "T"},
                                      {0, double(n), double(n), double(n), "meets zeros"},
                                      {double(n), 0, double(n), double(n), "cut off"}}}),
       figure::chart(
           {.caption =
                "<b>FFT product and dense product</b> of one random x. The largest difference is " +
                page.number("toeplitz.error", error, "%.1e") + ".",
            .label = "Two products of the same matrix and vector; the dots of one lie on the line "
                     "of the other.",
            .x_label = "position i",
            .y_label = "y",
            .series = {{"dense: " + std::to_string(n * n) + " products", positions, dense, 0,
                        Series::Line},
                       {"FFT", positions, fast, 1, Series::Points}}}),
       figure::chart(
           {.caption = "<b>How long must the circle be?</b> With F = n lags l and l − n share a "
                       "slot and the error is " +
                       page.number("toeplitz.error-F-n", errors.front(), "%.2f") +
                       "; at F = 2n − 2 it still is " +
                       page.number("toeplitz.error-F-2n-2", errors[size_t(n - 2)], "%.1e") +
                       ", and from F = 2n − 1 on only rounding is left, " +
                       page.number("toeplitz.error-F-2n-1", errors[size_t(n - 1)], "%.1e") + ".",
            .label = "Error of the circular product against the length of the circle: it drops to "
                     "rounding at 2n - 1.",
            .x_label = "length F of the circle",
            .y_label = "largest error",
            .series = {{"", lengths, errors, 0, Series::Points}},
            .log_y = true,
            .marks = {{double(2 * n - 1), "2n − 1"}}})});
}

// ---- SKI ----

inline std::string cell(double v) { return figure::short_number(std::stod(formatted("%.3f", v))); }

inline void add_published_w(Page& page) {
  const int64_t n = 8, r = 3;
  const auto rows_of = [](const InterpolationMatrix& W) {
    return matrix_of(W.r, [&](const Variable& s) { return interpolate(s, W); });
  };
  const Matrix right = rows_of({n, r}), released = rows_of({n, r, true, 1});
  page.heading("W, and the W of the released code");
  page.text(
      "Row i of W reads the " + std::to_string(r) +
      " knots at position i: two neighbours, with weights 1 − f and f. So every weight lies in "
      "[0, 1], every row adds up to 1 and straight lines come out straight. The code released with "
      "arXiv 2305.09028 does "
      "three things otherwise: it stretches position i to i n/(n − 1), takes the upper knot where "
      "the lower one belongs, and "
      "exchanges the two weights. Its rows still add up to 1, but they extrapolate: weights leave "
      "[0, 1], and position 0 "
      "reads knot 1.");
  double low = 1, high = 0;
  for (const double v : released.at) low = std::min(low, v), high = std::max(high, v);
  std::vector<std::vector<std::string>> rows;
  for (int64_t i = 0; i < n; ++i) {
    double sum = 0, sum_released = 0;
    std::vector<std::string> row = {std::to_string(i)};
    for (int64_t j = 0; j < r; ++j) {
      row.push_back(
          page.number("ski.W." + std::to_string(i) + "." + std::to_string(j), right(i, j), "%.4f"));
      sum += right(i, j);
    }
    row.push_back(page.number("ski.W." + std::to_string(i) + ".sum", sum, "%.4f"));
    for (int64_t j = 0; j < r; ++j) {
      row.push_back(page.number("ski.W-released." + std::to_string(i) + "." + std::to_string(j),
                                released(i, j), "%.4f"));
      sum_released += released(i, j);
    }
    row.push_back(
        page.number("ski.W-released." + std::to_string(i) + ".sum", sum_released, "%.4f"));
    rows.push_back(row);
  }
  page.table(
      "Rows of W for n = 8 positions and r = 3 knots: right, and as released (before its fall-off)",
      {"row", "knot 0", "knot 1", "knot 2", "sum", "released: knot 0", "knot 1", "knot 2", "sum"},
      rows);
  page.text("Weights of the released rows reach from " +
            page.number("ski.W-released.low", low, "%.2f") + " to " +
            page.number("ski.W-released.high", high, "%.2f") + ".");
  page.figures({figure::heat_map({.caption = "<b>W, right</b>, for n = 32 and r = 8, lying on its "
                                             "side: a column shows what one position reads.",
                                  .label = "Heat map of the interpolation matrix: weights between "
                                           "0 and 1 along one diagonal band.",
                                  .values = transposed(rows_of({32, 8})),
                                  .limit = 1.7,
                                  .row_label = "knot",
                                  .column_label = "position"}),
                figure::heat_map({.caption = "<b>W as released</b>, same colours: one knot too "
                                             "far, and with weights below 0 beside "
                                             "weights above 1.",
                                  .label = "Heat map of the released interpolation matrix: shifted "
                                           "by a knot, negative beside large weights.",
                                  .values = transposed(rows_of({32, 8, true, 1})),
                                  .limit = 1.7,
                                  .row_label = "knot",
                                  .column_label = "position"})});

  page.heading("What its fall-off does at the published decays");
  page.text(
      "The released code also multiplies row i by γ<sup>n t</sup> with t = i n/(n − 1), already a "
      "position: the exponent is about "
      "i n, not i. Below are the factors it gives to rows 0, 1 and 2 for the published γ of each "
      "task, how many rows keep more "
      "than a thousandth, and the share of entry (0, 0) in the squared size of W A W<sup>T</sup> "
      "for a random A. For γ &lt; 1 only output 0 "
      "and input 0 take part: the mixing is left to the short convolution.");
  std::vector<std::vector<std::string>> decay_rows;
  for (const Recipe& recipe : recipes()) {
    const std::string task = recipe.task;
    if (std::string(recipe.name) != "paper" || task == "pathx") continue;
    const bool image = task == "image" || task == "pathfinder32";
    const int64_t length = image ? 32 : recipe.max_length, rank = recipe.rank;
    const Matrix W = rows_of({length, rank, true, recipe.gamma});
    const auto factor = [&](int64_t i) {
      double sum = 0;
      for (int64_t j = 0; j < rank; ++j) sum += W(i, j);
      return sum;
    };
    int64_t alive = 0;
    for (int64_t i = 0; i < length; ++i) alive += factor(i) > 1e-3;
    const Matrix A = toeplitz_matrix([values = random_signal(2 * rank, 5, 3),
                                      rank](double l) { return values[size_t(int64_t(l) + rank)]; },
                                     rank);
    const Matrix G = transposed(W) * W, AG = A * G, ATG = transposed(A) * G;
    double square = 0, corner = 0;  // |W A W^T|^2 = tr(A G A^T G)
    for (int64_t i = 0; i < rank; ++i)
      for (int64_t j = 0; j < rank; ++j)
        square += AG(i, j) * ATG(j, i), corner += W(0, i) * A(i, j) * W(0, j);
    const std::string key = "ski.fall-off." + task;
    decay_rows.push_back(
        {html(task), page.count(key + ".n", length),
         page.number(key + ".gamma", recipe.gamma, "%.2g"),
         page.number(key + ".0", factor(0), "%.2g"), page.number(key + ".1", factor(1), "%.2g"),
         page.number(key + ".2", factor(2), "%.2g"), page.count(key + ".alive", alive),
         page.number(key + ".share", 100 * corner * corner / square, "%.4g") + "\u00a0%"});
  }
  page.table(
      "Fall-off of the released W at the published decay factors",
      {"task", "n", "γ", "row 0", "row 1", "row 2", "rows &gt; 1/1000", "share of entry (0, 0)"},
      decay_rows);
}

inline void add_warp(Page& page) {
  const int64_t n = 32, r = 8;
  const double base = std::pow(double(r), -1.0 / double(n - 1));
  const std::vector<double> lags = integers(-(n - 1), n - 1);
  const auto warp = [](double b, double l) { return (l < 0 ? -1 : 1) * std::pow(b, std::abs(l)); };
  std::vector<double> warped, steep, table = {0.1,  -0.5, -0.9, -0.6, 0.2,  0.5, 0.3, 0.1, 0,
                                              0.15, 0.5,  0.8,  0.4,  -0.2, 0.3, 1.1, 1.6};
  for (const double l : lags) warped.push_back(warp(base, l)), steep.push_back(warp(0.6, l));
  std::vector<double> broken = lags;  // the sides do not meet: no line from lag -1 to lag 0
  for (std::vector<double>* v : {&broken, &warped, &steep}) v->insert(v->begin() + n - 1, NAN);
  const std::vector<double> kernel =
      to_vector(warped_kernel(column(table), lags, base, Direction::Bidirectional).value());
  std::vector<double> node_lags, node_values, nodes;
  for (int64_t j = 0; j <= 2 * r; ++j) {
    if (j == r || j == 0) continue;  // lag infinity; lag 0 from below, never reached
    const double w = double(j - r) / double(r);
    node_lags.push_back((w < 0 ? -1 : 1) * std::log(std::abs(w)) / std::log(base));
    node_values.push_back(table[size_t(j)]);
    nodes.push_back(w);
  }
  page.heading("The warp and the grid");
  page.text(
      "A holds the kernel at lags s H between the r inducing points. Instead of a network, SKI-TNN "
      "reads it from a table with "
      "nodes at −1, …, 0, …, 1 of a warped lag axis, w(l) = ±λ<sup>|l|</sup>. Lag 0 reads the last "
      "node, far lags approach the "
      "middle one, which is fixed to 0: the kernel dies out by itself. With λ = "
      "r<sup>−1/(n−1)</sup> = " +
      page.number("ski.lambda", base, "%.4f") +
      " the farthest lag lands on the first node beside the middle.");
  const double H = 4095.0 / 63;
  page.figures(
      {figure::chart(
           {.caption = "<b>The warp</b> for n = 32, r = 8. The dots are the nodes of the table: "
                       "each is met by some lag. With "
                       "the decay γ = 0.6 as the base, as published for Retrieval, all lags beyond "
                       "a few fall between two nodes.",
            .label = "Warped lag against lag, for two bases, with the nodes of the table.",
            .x_label = "lag l",
            .y_label = "w(l)",
            .series = {{"λ = r^(−1/(n−1))", broken, warped, 0, Series::Line},
                       {"λ = 0.6", broken, steep, 1, Series::Dashed},
                       {"nodes", node_lags, nodes, 0, Series::Points}}}),
       figure::chart(
           {.caption =
                "<b>A kernel read from the table</b>: lines between the nodes on the warped axis "
                "are curves on that of the "
                "lag, fine near 0 and coarse far away. The two sides have tables of their own.",
            .label =
                "A kernel over the lag with the table's nodes as dots; they are dense near lag 0.",
            .x_label = "lag l",
            .y_label = "κ(l)",
            .series = {{"κ", lags, kernel, 0, Series::Line},
                       {"nodes", node_lags, node_values, 0, Series::Points}}})});
  page.text("At full size (n = 4096, r = 64) the inducing points are H = " +
            page.number("ski.H", H, "%.0f") +
            " apart. With γ = 0.9 for λ the first lag off the diagonal of A is warped to "
            "0.9<sup>H</sup> = " +
            page.number("ski.warp-collapse", std::pow(0.9, H), "%.1e") +
            ", beside the middle node already: A is a diagonal. With γ = 1 every lag is warped to "
            "±1 and the kernel has two values.");
}

inline void add_ski(Page& page, uint64_t seed) {
  const Example k(seed);
  const int64_t n = k.n;
  const Matrix T = toeplitz_matrix(k, n);
  page.section("ski", "SKI", "SKI: a band and a low-rank matrix");
  page.formula("T ≈ S + W A W<sup>T</sup>");
  page.text(
      "Structured kernel interpolation does with O(n) work what the FFT does with O(n log n). A "
      "short convolution S (a band of K "
      "diagonals) keeps the spikes near lag 0. What remains is smooth: it is worked out between r "
      "inducing points (A, r × r, Toeplitz "
      "again) and read in between by linear interpolation W. Nothing of size n × n is ever "
      "formed.");
  struct Split {
    Matrix low, band, rest;
    double norm, fused;  // of the rest; the op ski against the sum of its parts
  };
  const double scale = spectral_norm(T);
  const auto split = [&](int64_t r, int64_t K) {
    Split s;
    s.low = low_rank_matrix(k.smooth, n, r);
    const Tensor taps = K > 0 ? band_taps(T - s.low, K) : column({0});
    s.band = band_matrix(taps, n);
    s.rest = T - s.low - s.band;
    s.norm = spectral_norm(s.rest);
    const Tensor between = taps_of(k.smooth, r, double(n - 1) / double(r - 1));
    const Matrix whole = matrix_of(n, [&](const Variable& x) { return ski(x, taps, between); });
    s.fused = largest_entry(T - s.rest - whole);
    return s;
  };
  const double limit = largest_entry(T);
  const Split s = split(8, 5);
  page.figures(
      {figure::heat_map({.caption = "<b>T</b>, the matrix of the last section.",
                         .label = "Heat map of T.",
                         .values = T,
                         .limit = limit}),
       figure::heat_map({.caption = "<b>S</b>, a band of K = 5 diagonals.",
                         .label = "Heat map of the band: five diagonals around the main one.",
                         .values = s.band,
                         .limit = limit}),
       figure::heat_map({.caption = "<b>W A W<sup>T</sup></b>, of rank r = 8. Not quite Toeplitz: "
                                    "the cells of the interpolation show.",
                         .label = "Heat map of the low-rank part: smooth, without the spikes.",
                         .values = s.low,
                         .limit = limit}),
       figure::heat_map({.caption = "<b>What is left</b>, T − S − W A W<sup>T</sup>, in the same "
                                    "colours. Its spectral norm is " +
                                    page.number("ski.residual", s.norm, "%.3f") + ", that of T " +
                                    page.number("ski.norm", scale, "%.2f") + ".",
                         .label = "Heat map of the residual: close to zero everywhere.",
                         .values = s.rest,
                         .limit = limit})});
  page.text(
      "The fused op <code>ski</code> makes the same matrix as its parts: largest difference " +
      page.number("ski.fused-error", s.fused, "%.1e") + ".");

  page.heading("What is left, against rank and width of the band");
  const std::vector<int64_t> ranks = {4, 8, 16, 32}, widths = {0, 5, 9};
  std::vector<std::pair<std::string, std::string>> panels;
  std::vector<std::vector<std::string>> rows;
  std::vector<Series> curves;
  for (size_t w = 0; w < widths.size(); ++w)
    curves.push_back({widths[w] == 0 ? "no band" : "K = " + std::to_string(widths[w]),
                      {},
                      {},
                      int(w),
                      Series::Line});
  for (const int64_t r : ranks) {
    std::vector<std::string> row = {"r = " + std::to_string(r)};
    for (size_t w = 0; w < widths.size(); ++w) {
      const Split part = split(r, widths[w]);
      const std::string key = "ski.residual." + std::to_string(r) + "." + std::to_string(widths[w]);
      const std::string label = "r = " + std::to_string(r) + ", " +
                                (widths[w] ? "K = " + std::to_string(widths[w]) : "no band");
      row.push_back(page.number(key, part.norm, part.norm < 1e-3 ? "%.1e" : "%.3f"));
      panels.push_back(
          {label, figure::heat_map({.caption = "<b>T − S − W A W<sup>T</sup></b> for " + label +
                                               ": spectral norm " + page.again(key) +
                                               ". Colours reach to a quarter of those above.",
                                    .label = "Heat map of the residual for " + label + ".",
                                    .values = part.rest,
                                    .limit = limit / 4})});
    }
    rows.push_back(row);
  }
  page.frames("residual", "Step through the residual", panels);
  page.table("Spectral norm of the residual", {"rank", "no band", "K = 5", "K = 9"}, rows);
  for (const int64_t r : {4, 5, 6, 8, 11, 16, 22, 28})
    for (size_t w = 0; w < widths.size(); ++w) {
      curves[w].x.push_back(double(r));
      curves[w].y.push_back(split(r, widths[w]).norm);
    }
  page.figures(
      {figure::chart({.caption = "<b>Without a band no rank helps</b>: the spikes stay. With one, "
                                 "the residual falls with the square of the "
                                 "distance between the inducing points. At r = n, not drawn here, "
                                 "the interpolation is exact and only rounding is left.",
                      .label = "Residual against rank for three widths of the band.",
                      .x_label = "rank r",
                      .y_label = "spectral norm of the residual",
                      .series = curves,
                      .log_x = true,
                      .log_y = true})});
  add_warp(page);
  add_published_w(page);
}

// ---- errors ----

inline double largest_second_derivative(const Kernel& k, double reach) {
  double largest = 0;
  const double h = 1e-3;
  for (double l = -reach; l <= reach; l += 0.25)
    largest = std::max(largest, std::abs(k(l + h) - 2 * k(l) + k(l - h)) / (h * h));
  return largest;
}

inline void add_errors(Page& page) {
  const int64_t n = 128;
  const Kernel smooth = [](double l) { return std::exp(-std::pow(l / 24, 2)); };
  const Kernel spiky = [](double l) { return std::exp(-std::abs(l) / 1.5); };
  const std::vector<int64_t> ranks = {4, 6, 8, 12, 16, 24, 32, 48, 64, 96};
  page.section("errors", "Error analysis",
               "Error analysis: how many inducing points, and why the band");
  page.text(
      "Linear interpolation with knots H apart errs by at most H²/8 · max|κ″|. W A W<sup>T</sup> "
      "interpolates twice, along i and along j, so an "
      "entry errs by at most H²/4 · max|κ″|, and the spectral norm by at most n times that. H = (n "
      "− 1)/(r − 1): "
      "the error falls as 1/r². The best matrix of rank r there is, by singular values, shows how "
      "much of that is due to the rank itself.");
  struct Measured {
    std::vector<double> r, norm, best, entry, bound;
  };
  const auto measure = [&](const Kernel& k, double curvature) {
    const Matrix T = toeplitz_matrix(k, n);
    const std::vector<double> sigma = singular_values(T);
    Measured m;
    for (const int64_t r : ranks) {
      const double H = double(n - 1) / double(r - 1);
      const Matrix E = T - low_rank_matrix(k, n, r);
      m.r.push_back(double(r));
      m.norm.push_back(spectral_norm(E));
      m.entry.push_back(largest_entry(E));
      m.best.push_back(sigma[size_t(r)]);
      m.bound.push_back(H * H / 4 * curvature);
    }
    return m;
  };
  const double curvature = largest_second_derivative(smooth, double(n));
  const Measured a = measure(smooth, curvature), b = measure(spiky, 0);
  const size_t at = 6, from = 4;  // r = 32 and r = 16
  const double slope =
      std::log(a.norm[at + 2] / a.norm[from]) / std::log((a.r[at + 2] - 1) / (a.r[from] - 1));
  std::vector<double> one_cell;  // one interpolation, along one axis
  double cell_error = 0;
  {
    const int64_t r = 16;
    const double H = double(n - 1) / double(r - 1);
    std::vector<double> knots;
    for (int64_t j = 0; j < r; ++j) knots.push_back(smooth(double(j) * H));
    const std::vector<double> read = to_vector(interpolate(column(knots), {n, r}).value());
    for (int64_t i = 0; i < n; ++i)
      cell_error = std::max(cell_error, std::abs(read[size_t(i)] - smooth(double(i))));
    page.text("For the smooth kernel κ(l) = exp(−(l/24)²), max|κ″| = " +
              page.number("errors.curvature", curvature, "%.5f") +
              ". Reading κ once from r = 16 knots errs by " +
              page.number("errors.one-interpolation", cell_error, "%.4f") +
              " at most; H²/8 · max|κ″| = " +
              page.number("errors.one-bound", H * H / 8 * curvature, "%.4f") +
              ". An entry of T − W A W<sup>T</sup> errs by " +
              page.number("errors.entry", a.entry[from], "%.4f") +
              "; H²/4 · max|κ″| = " + page.number("errors.entry-bound", a.bound[from], "%.4f") +
              ". From r = 16 to r = 64 the spectral norm falls with the power " +
              page.number("errors.slope", slope, "%.2f") + " of r − 1.");
  }
  std::vector<double> guide, scaled_bound;
  for (const double v : a.bound) scaled_bound.push_back(v * double(n));
  const std::vector<int64_t> widths = {1, 5, 9, 17};
  std::vector<Series> bands = {{"no band", b.r, b.norm, 1, Series::Line}};
  double with_band = 0;
  const Matrix T = toeplitz_matrix(spiky, n);
  for (size_t w = 0; w < widths.size(); ++w) {
    const double m = double(widths[w] - 1) / 2 + 1;  // beyond the band the kernel is taken as it is
    const Kernel tail = [&, m](double l) { return spiky(std::max(std::abs(l), m)); };
    Series line{
        "K = " + std::to_string(widths[w]), {}, {}, w == 0 ? 4 : int(w == 1 ? 0 : w), Series::Line};
    for (const int64_t r : ranks) {
      const Matrix low = low_rank_matrix(tail, n, r),
                   band = band_matrix(band_taps(T - low, widths[w]), n);
      line.x.push_back(double(r));
      line.y.push_back(spectral_norm(T - low - band));
      if (r == 32 && widths[w] == 9) with_band = line.y.back();
    }
    bands.push_back(line);
  }
  page.figures(
      {figure::chart({.caption = "<b>Smooth kernel</b>, exp(−(l/24)²), n = 128. The interpolation "
                                 "stays below its bound and falls in parallel to it. "
                                 "The best rank-r matrix is far better: what costs here is the "
                                 "interpolation, not the rank.",
                      .label = "Error against rank for a smooth kernel: bound, measured "
                               "interpolation error, best rank-r error.",
                      .x_label = "rank r",
                      .y_label = "spectral norm of the error",
                      .series = {{"bound n H²/4 max|κ″|", a.r, scaled_bound, 2, Series::Dashed},
                                 {"T − W A Wᵀ", a.r, a.norm, 0, Series::Line},
                                 {"best of rank r", a.r, a.best, 3, Series::Points}},
                      .log_x = true,
                      .log_y = true,
                      .y0 = 1e-6}),
       figure::chart(
           {.caption = "<b>Spiky kernel</b>, exp(−|l|/1.5). It has a kink at lag 0 and no κ″ "
                       "there, so no bound; and its singular values "
                       "hardly fall, so no matrix of low rank comes near. At r = 32 the error is " +
                       page.number("errors.spiky", b.norm[at], "%.2f") + ", the best possible " +
                       page.number("errors.spiky-best", b.best[at], "%.2f") + ".",
            .label = "Error against rank for a spiky kernel: both curves stay high.",
            .x_label = "rank r",
            .y_label = "spectral norm of the error",
            .series = {{"T − W A Wᵀ", b.r, b.norm, 1, Series::Line},
                       {"best of rank r", b.r, b.best, 3, Series::Points}},
            .log_x = true,
            .log_y = true,
            .y0 = 1e-2}),
       figure::chart(
           {.caption = "<b>Why the band is needed.</b> The spiky kernel again, its K middle "
                       "diagonals left to a short convolution. With K = 9 "
                       "the error at r = 32 is " +
                       page.number("errors.banded", with_band, "%.4f") + ", " +
                       page.number("errors.gain", b.norm[at] / with_band, "%.0f") +
                       " times less than without.",
            .label = "Error against rank for a spiky kernel with bands of several widths.",
            .x_label = "rank r",
            .y_label = "spectral norm of the error",
            .series = bands,
            .log_x = true,
            .log_y = true})});
}

// ---- FD ----

struct Response {
  std::vector<double> re, im;
};
inline Response response_of(const Tensor& A) {
  const std::vector<double> v = to_vector(A);
  Response r;
  for (size_t i = 0; i < v.size(); i += 2) r.re.push_back(v[i]), r.im.push_back(v[i + 1]);
  return r;
}

inline void add_fd(Page& page) {
  const double pi = std::numbers::pi;
  const auto real_part = [&](int64_t F) {
    std::vector<double> R;
    for (int64_t k = 0; k <= F / 2; ++k) {
      const double w = 2 * pi * double(k) / double(F);
      R.push_back(1.4 * std::exp(-std::pow((w - 0.7) / 0.45, 2)) - 0.5 * std::cos(2 * w) + 0.3);
    }
    return R;
  };
  page.section("fd", "FD", "FD: the kernel as a frequency response");
  page.formula(
      "y = irfft(A · rfft(x)),   A<sub>k</sub> a smooth function of the frequency ω<sub>k</sub> = "
      "2π k/F");
  page.text(
      "FD-TNN gives the network the frequency instead of the lag, and so needs no transform of the "
      "kernel. For a causal model the network "
      "gives only the real part R. The imaginary part follows: it is the discrete Hilbert "
      "transform of R, the one for "
      "which the kernel vanishes at negative times.");
  const int64_t F = 64;
  const std::vector<double> R = real_part(F), bins = integers(0, F / 2);
  const Tensor A = hilbert(column(R), F).value();
  const Response causal = response_of(A);
  const auto around_zero =
      [](const std::vector<double>& h) {  // slots 0 .. F-1 -> times -(F-1)/2 .. F/2
        const int64_t length = int64_t(h.size()), first = -((length - 1) / 2);
        Series s{"", {}, {}, 0, Series::Stems};
        for (int64_t t = first; t < first + length; ++t) {
          s.x.push_back(double(t));
          s.y.push_back(h[size_t((t + length) % length)]);
        }
        return s;
      };
  const std::vector<double> h = to_vector(irfft(A, F).value());
  const auto past_energy = [](const std::vector<double>& h) {
    double negative = 0, all = 0;
    for (size_t t = 0; t < h.size(); ++t) {
      all += h[t] * h[t];
      if (2 * t > h.size()) negative += h[t] * h[t];
    }
    return negative / all;
  };
  const std::vector<double> even =
      to_vector(irfft(to_complex(column(R), zeros({F / 2 + 1, 1}, DType::Float64)), F).value());
  Series kernel = around_zero(h), even_kernel = around_zero(even);
  kernel.name = "causal h", even_kernel.name = "even part irfft(R)";
  even_kernel.color = 2, even_kernel.kind = Series::Line;
  page.figures(
      {figure::chart(
           {.caption = "<b>Real response and its Hilbert transform</b>, F = 64. At DC (k = 0) and "
                       "Nyquist (k = F/2) the imaginary part is 0: "
                       "there, a real signal has none.",
            .label = "Real and imaginary part of a causal response over the bins, ends marked.",
            .x_label = "bin k",
            .y_label = "A",
            .series = {{"Re A = R, given", bins, causal.re, 0, Series::Line},
                       {"Im A, follows", bins, causal.im, 1, Series::Line}},
            .marks = {{0, "DC"}, {double(F / 2), "Nyquist"}}}),
       figure::chart(
           {.caption = "<b>The causal kernel.</b> R alone is the spectrum of an even signal. "
                       "Folding its left half onto its right leaves R as it was "
                       "and nothing at negative times: a share of " +
                       page.number("fd.negative-energy", past_energy(h), "%.1e") +
                       " of the energy, which is rounding. Before folding it was " +
                       page.number("fd.negative-energy-before", past_energy(even), "%.2f") + ".",
            .label = "The causal kernel over time, zero for negative times, with the even signal "
                     "it is folded from.",
            .x_label = "time t",
            .y_label = "h",
            .series = {even_kernel, kernel},
            .marks = {{0, "t = 0"}}})});

  std::vector<double> re, im;
  for (int64_t k = 0; k <= F / 2; ++k) {
    const double w = 2 * pi * double(k) / double(F);
    re.push_back(0.9 * std::exp(-std::pow((w - 1.0) / 0.6, 2)));
    im.push_back(0.8 * std::sin(w) * std::sin(3 * w + 0.5));
  }
  const std::vector<double> both = to_vector(irfft(to_complex(column(re), column(im)), F).value());
  page.heading("Bidirectional: two free curves");
  page.text(
      "Without causality the network has two outputs a channel, real and imaginary part. The "
      "kernel then has two sides.");
  Series both_kernel = around_zero(both);

  page.figures(
      {figure::chart(
           {.caption = "<b>A bidirectional response.</b> Only its imaginary part has to vanish at "
                       "DC and Nyquist; what stands there is ignored "
                       "by irfft and gets gradient 0.",
            .label = "Real and imaginary part of a bidirectional response.",
            .x_label = "bin k",
            .y_label = "A",
            .series = {{"Re A", bins, re, 0, Series::Line}, {"Im A", bins, im, 1, Series::Line}},
            .marks = {{0, "DC"}, {double(F / 2), "Nyquist"}}}),
       figure::chart(
           {.caption = "<b>Its kernel</b>: weights for the future (t &lt; 0) and for the past.",
            .label = "A kernel with weights on both sides of time 0.",
            .x_label = "time t",
            .y_label = "h",
            .series = {both_kernel},
            .marks = {{0, "t = 0"}}})});

  page.heading("Odd and even lengths, and the sample at F/2");
  page.text(
      "An even F has a bin of its own, Nyquist, at k = F/2, which stands for itself as DC does; "
      "all others stand for F − k as well. An odd F has none. "
      "In time an even F has a sample at t = F/2 that is neither past nor future: folding must "
      "count it once. The released code doubles it, and Re A is then R + (−1)<sup>k</sup> "
      "e<sub>F/2</sub>.");
  std::vector<std::vector<std::string>> rows;
  for (const auto& [length, published] :
       {std::pair<int64_t, bool>{64, false}, {63, false}, {8, false}, {7, false}, {8, true}}) {
    const std::vector<double> given = real_part(length);
    const Tensor spectrum = hilbert(column(given), length, -2,
                                    published ? CausalWindow::Published : CausalWindow::Exact)
                                .value();
    const Response r = response_of(spectrum);
    double worst = 0;
    for (size_t k = 0; k < given.size(); ++k) worst = std::max(worst, std::abs(r.re[k] - given[k]));
    const std::vector<double> signal = to_vector(irfft(spectrum, length).value());
    const std::string key = "fd.F" + std::to_string(length) + (published ? "-released" : "");
    rows.push_back({"F = " + std::to_string(length) + (published ? ", as released" : ""),
                    page.count(key + ".bins", length / 2 + 1),
                    length % 2 ? "none" : "bin " + std::to_string(length / 2),
                    page.number(key + ".real-part", worst, "%.1e"),
                    page.number(key + ".negative-energy", past_energy(signal), "%.1e")});
  }
  page.table("The causal spectrum for several lengths",
             {"length", "bins", "Nyquist", "largest |Re A − R|", "energy at t &lt; 0"}, rows);

  page.heading("A smooth response is a kernel that decays");
  page.text(
      "No decay is built into FD-TNN: the smoothness of the response plays that role. A response "
      "that can be differentiated any number of times has a kernel that falls "
      "faster than every power of t; a kink costs t<sup>−2</sup>, a jump t<sup>−1</sup>.");
  const int64_t L = 2048;
  const auto decay = [&](const std::string& name, int color,
                         const std::function<double(double)>& R) {
    std::vector<double> response;
    for (int64_t k = 0; k <= L / 2; ++k) response.push_back(R(2 * pi * double(k) / double(L)));
    const std::vector<double> e = to_vector(irfft(hilbert(column(response), L), L).value());
    Series s{name, {}, {}, color, Series::Line};
    for (int64_t t = 1; t < L / 4;
         t = std::max(t + 1, t * 9 / 8)) {  // the largest of a few neighbours: the envelope
      double top = 1e-18;
      for (int64_t u = t; u < std::min(t + 1 + t / 4, L / 2); ++u)
        top = std::max(top, std::abs(e[size_t(u)]));
      s.x.push_back(double(t));
      s.y.push_back(top);
    }
    return s;
  };
  const Series bump = decay(
      "smooth bump", 0, [](double w) { return std::exp(-6 * std::pow(std::cos(w) - 0.36, 2)); });
  const Series kink =
      decay("kink", 2, [](double w) { return std::max(0.0, 1 - std::abs(w - 1.2)); });
  const Series jump = decay("jump", 1, [](double w) { return w > 0.8 && w < 1.6 ? 1.0 : 0.0; });
  const auto power = [](const std::string& name, double c, double p) {
    Series s{name, {}, {}, 0, Series::Guide};
    for (double t = 4; t <= 512; t *= 2) s.x.push_back(t), s.y.push_back(c * std::pow(t, p));
    return s;
  };
  const auto exponent = [](const Series& s) {  // between t = 16 and the end
    size_t first = 0;
    while (s.x[first] < 16) ++first;
    return std::log(s.y.back() / s.y[first]) / std::log(s.x.back() / s.x[first]);
  };
  page.figures({figure::chart(
      {.caption =
           "<b>Envelope of the causal kernel</b> for three responses, F = 2048. Dotted: "
           "t<sup>−1</sup> and t<sup>−2</sup>. From t = 16 on, the jump falls with the power " +
           page.number("fd.slope-jump", exponent(jump), "%.2f") + ", the kink with " +
           page.number("fd.slope-kink", exponent(kink), "%.2f") + "; the bump is down to rounding.",
       .label =
           "Decay of three kernels on logarithmic axes: jump slowest, kink, smooth bump fastest.",
       .x_label = "time t",
       .y_label = "|h|",
       .series = {jump, kink, bump, power("", 1.2, -1), power("", 1.5, -2)},
       .log_x = true,
       .log_y = true,
       .y0 = 1e-17})});
}

}  // namespace skiff::report
