// FD: a kernel given by its frequency response.
#include <algorithm>
#include <numbers>

#include "examples/report/kernels.h"
#include "examples/report/sections.h"

namespace skiff::report {
namespace {

constexpr double kPi = std::numbers::pi;

struct Response {
  std::vector<double> re, im;
};
Response response_of(const Tensor& A) {
  const std::vector<double> v = to_vector(A);
  Response r;
  for (size_t i = 0; i < v.size(); i += 2) r.re.push_back(v[i]), r.im.push_back(v[i + 1]);
  return r;
}

// A function of the frequency at the bins of length F.
std::vector<double> at_bins(int64_t F, const std::function<double(double)>& f) {
  std::vector<double> values;
  for (int64_t k = 0; k <= F / 2; ++k) values.push_back(f(2 * kPi * double(k) / double(F)));
  return values;
}

std::vector<double> real_part(int64_t F) {
  return at_bins(F, [](double w) {
    return 1.4 * std::exp(-std::pow((w - 0.7) / 0.45, 2)) - 0.5 * std::cos(2 * w) + 0.3;
  });
}

std::vector<double> signal_of(const Tensor& spectrum, int64_t F) {
  return to_vector(irfft(spectrum, F).value());
}

// Slots 0 .. F-1 as times -(F-1)/2 .. F/2.
Series around_zero(const std::string& name, const std::vector<double>& h, int color = 0,
                   Series::Kind kind = Series::Stems) {
  const int64_t length = int64_t(h.size()), first = -((length - 1) / 2);
  Series s{name, {}, {}, color, kind};
  for (int64_t t = first; t < first + length; ++t) {
    s.x.push_back(double(t));
    s.y.push_back(h[size_t((t + length) % length)]);
  }
  return s;
}

double share_of_past(const std::vector<double>& h) {
  double negative = 0, all = 0;
  for (size_t t = 0; t < h.size(); ++t) {
    all += h[t] * h[t];
    if (2 * t > h.size()) negative += h[t] * h[t];
  }
  return negative / all;
}

charts::Chart response_chart(int64_t F, const Series& re, const Series& im) {
  return {.x_label = "bin k",
          .y_label = "A",
          .series = {re, im},
          .marks = {{0, "DC"}, {double(F / 2), "Nyquist"}}};
}
charts::Chart kernel_chart(const std::vector<Series>& series) {
  return {.x_label = "time t", .y_label = "h", .series = series, .marks = {{0, "t = 0"}}};
}

void add_causal(Page& page) {
  const int64_t F = 64;
  const std::vector<double> R = real_part(F), bins = integers(0, F / 2);
  const Tensor A = hilbert(column(R), F).value();
  const Response causal = response_of(A);
  draw(page.values, "fd.response",
       response_chart(F, {"Re A = R, given", bins, causal.re},
                      {"Im A, follows", bins, causal.im, 1}));
  const std::vector<double> h = signal_of(A, F);
  const Tensor even_spectrum = to_complex(column(R), zeros({F / 2 + 1, 1}, DType::Float64)).value();
  const std::vector<double> even = signal_of(even_spectrum, F);
  page.number("fd.negative-energy", share_of_past(h), "%.1e");
  page.number("fd.negative-energy-before", share_of_past(even), "%.2f");
  draw(page.values, "fd.kernel",
       kernel_chart(
           {around_zero("even part irfft(R)", even, 2, Series::Line), around_zero("causal h", h)}));
}

void add_bidirectional(Page& page) {
  const int64_t F = 64;
  const std::vector<double> bins = integers(0, F / 2);
  const std::vector<double> re =
      at_bins(F, [](double w) { return 0.9 * std::exp(-std::pow((w - 1.0) / 0.6, 2)); });
  const std::vector<double> im =
      at_bins(F, [](double w) { return 0.8 * std::sin(w) * std::sin(3 * w + 0.5); });
  draw(page.values, "fd.both-response",
       response_chart(F, {"Re A", bins, re}, {"Im A", bins, im, 1}));
  const Tensor spectrum = to_complex(column(re), column(im)).value();
  draw(page.values, "fd.both-kernel", kernel_chart({around_zero("", signal_of(spectrum, F))}));
}

void add_lengths(Page& page) {
  struct Length {
    int64_t F;
    CausalWindow window;
  };
  using enum CausalWindow;
  std::vector<std::vector<std::string>> rows;
  for (const auto& [F, window] :
       {Length{64, Exact}, {63, Exact}, {8, Exact}, {7, Exact}, {8, Published}}) {
    const std::vector<double> given = real_part(F);
    const Tensor spectrum = hilbert(column(given), F, -2, window).value();
    const bool published = window == Published;
    const Response r = response_of(spectrum);
    double worst = 0;
    for (size_t k = 0; k < given.size(); ++k) worst = std::max(worst, std::abs(r.re[k] - given[k]));
    const std::string key = "fd.F" + std::to_string(F) + (published ? "-released" : "");
    rows.push_back(
        {"F = " + std::to_string(F) + (published ? ", as released" : ""),
         page.count(key + ".bins", F / 2 + 1), F % 2 ? "none" : "bin " + std::to_string(F / 2),
         page.number(key + ".real-part", worst, "%.1e"),
         page.number(key + ".negative-energy", share_of_past(signal_of(spectrum, F)), "%.1e")});
  }
  page.set("fd.lengths", table_rows(rows));
}

// The envelope of the causal kernel of a real part: the largest of a few neighbours.
Series envelope(const std::string& name, int color, const std::function<double(double)>& R) {
  const int64_t F = 2048;
  const std::vector<double> h = signal_of(hilbert(column(at_bins(F, R)), F).value(), F);
  Series s{name, {}, {}, color};
  for (int64_t t = 1; t < F / 4; t = std::max(t + 1, t * 9 / 8)) {
    double top = 1e-18;
    for (int64_t u = t; u < std::min(t + 1 + t / 4, F / 2); ++u)
      top = std::max(top, std::abs(h[size_t(u)]));
    s.x.push_back(double(t));
    s.y.push_back(top);
  }
  return s;
}

Series power_guide(double c, double p) {
  Series s{"", {}, {}, 0, Series::Guide};
  for (double t = 4; t <= 512; t *= 2) s.x.push_back(t), s.y.push_back(c * std::pow(t, p));
  return s;
}

double exponent_from_16(const Series& s) {
  size_t first = 0;
  while (s.x[first] < 16) ++first;
  return std::log(s.y.back() / s.y[first]) / std::log(s.x.back() / s.x[first]);
}

void add_decay(Page& page) {
  const Series bump = envelope(
      "smooth bump", 0, [](double w) { return std::exp(-6 * std::pow(std::cos(w) - 0.36, 2)); });
  const Series kink =
      envelope("kink", 2, [](double w) { return std::max(0.0, 1 - std::abs(w - 1.2)); });
  const Series jump = envelope("jump", 1, [](double w) { return w > 0.8 && w < 1.6 ? 1.0 : 0.0; });
  page.number("fd.slope-jump", exponent_from_16(jump), "%.2f");
  page.number("fd.slope-kink", exponent_from_16(kink), "%.2f");
  draw(page.values, "fd.decay",
       charts::Chart{.x_label = "time t",
                     .y_label = "|h|",
                     .series = {jump, kink, bump, power_guide(1.2, -1), power_guide(1.5, -2)},
                     .log_x = true,
                     .log_y = true,
                     .y0 = 1e-17});
}

}  // namespace

void add_fd(Page& page) {
  add_causal(page);
  add_bidirectional(page);
  add_lengths(page);
  add_decay(page);
}

}  // namespace skiff::report
