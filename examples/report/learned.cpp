// The kernels of a model, trained or fresh.
#include <algorithm>
#include <filesystem>

#include "examples/report/kernels.h"
#include "examples/report/run_model.h"
#include "examples/report/sections.h"

namespace skiff::report {
namespace {

struct LayerKernels {
  int64_t layer, n;
  std::string name;
  std::vector<Matrix> matrices;  // of the operator, one per channel
  std::vector<double> near;      // share of energy at lags -2 .. 2, per channel
  std::vector<double> rough;     // sum (t[l+1] - t[l])^2 / (4 sum t[l]^2), per channel
  size_t spiky = 0, smooth = 0;  // the roughest and the smoothest channel
};

std::vector<double> kernel_of(const Matrix& T) {  // the middle column: lags -n/2 .. n/2 - 1
  std::vector<double> k;
  for (int64_t i = 0; i < T.rows; ++i) k.push_back(T(i, T.columns / 2));
  return k;
}

LayerKernels kernels_of(const SequenceOperator& op, DType dtype) {
  const int64_t n = op.n;
  LayerKernels k{op.layer, n, op.name, matrices_of(n, op.channels, dtype, op.apply), {}, {}};
  for (const Matrix& T : k.matrices) {
    const std::vector<double> t = kernel_of(T);
    double near = 0, all = 0, steps = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double e = t[size_t(i)] * t[size_t(i)];
      all += e;
      if (std::abs(i - n / 2) <= 2) near += e;
      if (i > 0) steps += std::pow(t[size_t(i)] - t[size_t(i - 1)], 2);
    }
    k.near.push_back(all > 0 ? near / all : 0);
    k.rough.push_back(all > 0 ? steps / (4 * all) : 0);
  }
  k.spiky = size_t(std::max_element(k.rough.begin(), k.rough.end()) - k.rough.begin());
  k.smooth = size_t(std::min_element(k.rough.begin(), k.rough.end()) - k.rough.begin());
  return k;
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v.size() % 2 ? v[v.size() / 2] : (v[v.size() / 2 - 1] + v[v.size() / 2]) / 2;
}

std::vector<std::string> table_row(Page& page, const LayerKernels& k) {
  std::vector<double> ranks;
  const size_t channels = k.matrices.size(), looked_at = std::min<size_t>(16, channels);
  for (size_t c = 0; c < looked_at; ++c)
    ranks.push_back(effective_rank(singular_values(k.matrices[c * channels / looked_at])));
  const auto [low, high] = std::minmax_element(ranks.begin(), ranks.end());
  const std::string layer = std::to_string(k.layer), key = "kernels." + layer;
  return {"layer " + layer + ", " + k.name,
          page.count(key + ".n", k.n),
          page.number(key + ".rank-low", *low, "%.1f"),
          page.number(key + ".rank", median(ranks), "%.1f"),
          page.number(key + ".rank-high", *high, "%.1f"),
          page.number(key + ".near", 100 * median(k.near), "%.1f") + "\u00a0%"};
}

// The roughest and the smoothest channel: near lag 0, over all lags, and as responses.
std::string layer(Page& page, const LayerKernels& k) {
  charts::Chart near{.x_label = "lag", .y_label = "t"}, far = near;
  charts::Chart response{.x_label = "frequency, in units of π", .y_label = "|A|"};
  const std::vector<double> lags = integers(-k.n / 2, k.n - k.n / 2 - 1);
  const int64_t reach = std::min<int64_t>(10, k.n / 2 - 1);
  for (const size_t channel : {k.spiky, k.smooth}) {
    const bool first = near.series.empty();
    const std::vector<double> t = kernel_of(k.matrices[channel]);
    const Series all{"channel " + std::to_string(channel), lags, t, first ? 1 : 0};
    Series middle{all.name, {}, {}, all.color, Series::Stems}, bins{all.name, {}, {}, all.color};
    for (int64_t l = -reach; l <= reach; ++l) {
      middle.x.push_back(double(l) + (first ? -0.12 : 0.12));
      middle.y.push_back(t[size_t(l + k.n / 2)]);
    }
    const std::vector<double> X = to_vector(rfft(column(t), k.n).value());
    for (size_t i = 0; i < X.size(); i += 2) {
      bins.x.push_back(double(i) / double(k.n));
      bins.y.push_back(std::hypot(X[i], X[i + 1]));
    }
    near.series.push_back(middle);
    far.series.push_back(all);
    response.series.push_back(bins);
  }
  const std::string key = "kernels." + std::to_string(k.layer);
  Values local = {
      {"layer", std::to_string(k.layer)},
      {"spiky", std::to_string(k.spiky)},
      {"smooth", std::to_string(k.smooth)},
      {"reach", std::to_string(reach)},
      {"positions", std::to_string(k.n)},
      {"near-spiky", page.number(key + ".near-spiky", 100 * k.near[k.spiky], "%.1f")},
      {"near-smooth", page.number(key + ".near-smooth", 100 * k.near[k.smooth], "%.1f")},
      {"rough-spiky", page.number(key + ".rough-spiky", k.rough[k.spiky], "%.2f")},
      {"rough-smooth", page.number(key + ".rough-smooth", k.rough[k.smooth], "%.2f")}};
  draw(local, "near", near);
  draw(local, "far", far);
  draw(local, "response", response);
  return page.render("layer.html", local);
}

std::string kernels(Page& page, const RunModel& m) {
  if (m.operators.empty()) return page.render("learned_attention.html");
  std::vector<LayerKernels> all;
  std::vector<std::vector<std::string>> rows;
  for (const SequenceOperator& op : m.operators) {
    all.push_back(kernels_of(op, m.dtype));
    rows.push_back(table_row(page, all.back()));
  }
  const size_t shown = std::min<size_t>(4, all.size());
  std::string layers = shown < all.size() ? "<p>Four of the layers, evenly chosen:</p>\n" : "";
  for (size_t i = 0; i < shown; ++i)
    layers += layer(page, all[shown == 1 ? 0 : i * (all.size() - 1) / (shown - 1)]);
  return page.render("learned_kernels.html",
                     {{"kernels.rows", table_rows(rows)}, {"kernels.layers", layers}});
}

}  // namespace

void check_run(const std::string& folder) {
  if (folder.empty()) return;
  read_model(folder);
  check_metrics(folder);
}

void add_learned(Page& page, const std::string& folder, uint64_t seed) {
  const bool trained = !folder.empty();
  const RunModel m = trained ? read_model(folder) : fresh_model(seed);
  page.count("run.seed", int64_t(m.seed));
  Values local = {
      {"task", escaped(m.task)}, {"mixer", escaped(m.mixer)}, {"recipe", escaped(m.recipe)}};
  if (trained) {
    const std::filesystem::path path(folder);
    const auto name = path.has_filename() ? path.filename() : path.parent_path().filename();
    local["run"] = escaped(name.string());
    page.count("run.parameters", m.parameters);
    page.number("run.best-accuracy", 100 * m.best_accuracy, "%.1f");
    page.count("run.best-step", m.best_step);
  }
  std::string learned =
      page.render(trained ? "learned_run.html" : "learned_none.html", local) + kernels(page, m);
  if (trained) learned += training(page, folder);
  page.set("learned", learned);
}

}  // namespace skiff::report
