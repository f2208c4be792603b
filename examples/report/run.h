// The report's sections on a trained model and on cost: what train_lra and bench left behind.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "data/files/text_file.h"
#include "examples/charts/figures.h"
#include "examples/train/settings.h"

namespace skiff::report {

using figure::Series;

// ---- a run folder, read only ----

struct Model {  // of a run, or fresh
  Settings settings;
  std::unique_ptr<Parameters> parameters;
  std::variant<std::monostate, TnnClassifier, TwoTowerClassifier> net;
  double best_accuracy = 0;
  int64_t best_step = 0;
  const Trunk& trunk() const {
    if (const auto* pair = std::get_if<TwoTowerClassifier>(&net)) return pair->trunk;
    return std::get<TnnClassifier>(net).trunk;
  }
};

inline void build(Model& m, int64_t vocab) {
  const TaskShape& shape = task_shape(m.settings.task);
  m.parameters = std::make_unique<Parameters>(
      m.settings.seed, m.settings.dtype == "float64" ? DType::Float64 : DType::Float32);
  const TnnConfig config = model_config(m.settings, vocab, shape.height, shape.width);
  if (shape.pairs)
    m.net.emplace<TwoTowerClassifier>(m.parameters->root(), config);
  else
    m.net.emplace<TnnClassifier>(m.parameters->root(), config);
  m.parameters->set_training(false);
}

inline Model fresh_model(uint64_t seed) {
  Model m;
  m.settings.seed = seed;
  take_recipe(m.settings);
  build(m, task_shape(m.settings.task).vocab);
  return m;
}

inline Model read_model(const std::string& folder) {
  Model m;
  const std::string path = folder + "/config.toml", weights = folder + "/best.safetensors";
  check<DataError>(std::filesystem::exists(path), "--run: '", folder,
                   "' holds no run of train_lra: no config.toml");
  check<DataError>(std::filesystem::exists(weights), "--run: '", folder,
                   "' has no best.safetensors yet");
  try {  // task and recipe give the defaults of the rest
    const std::vector<ConfigEntry> entries = read_config(path);
    for (const ConfigEntry& e : entries) {
      if (e.key == "task") m.settings.task = e.value;
      if (e.key == "recipe") m.settings.recipe = e.value;
    }
    take_recipe(m.settings);
    CLI::App all("", "report");
    add_options(all, m.settings);
    apply_config(all, entries);
  } catch (const UsageError& e) {
    const std::string what = e.what();
    fail<DataError>(what.starts_with(path) ? what : path + ": " + what);
  }
  const safetensors::File file = safetensors::read(weights);
  const int64_t vocab =
      task_shape(m.settings.task).vocab > 0 ? file.at("encoder.weight").size(0) : 0;
  build(m, vocab);
  m.parameters->load(file, {"optimizer."});
  const auto number = [&](const char* key) {
    const auto at = file.metadata.find(key);
    check<DataError>(at != file.metadata.end(), weights, ": '", key, "' is missing");
    return std::strtod(at->second.c_str(), nullptr);
  };
  m.best_accuracy = number("best_accuracy");
  m.best_step = int64_t(number("best_step"));
  return m;
}

// A table of numbers and words with a header, separated by commas.
struct Csv {
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
  size_t column(const std::string& name) const {
    const auto at = std::find(head.begin(), head.end(), name);
    check<DataError>(at != head.end(), "no column '", name, "'");
    return size_t(at - head.begin());
  }
  double number(size_t row, const std::string& name) const {
    const std::string& cell = rows[row][column(name)];
    if (cell.empty()) return NAN;
    char* end = nullptr;
    const double v = std::strtod(cell.c_str(), &end);
    check<DataError>(*end == '\0', "column '", name, "' must hold numbers, got ", quoted(cell));
    return v;
  }
};
inline Csv read_csv(const std::string& path) {
  const auto cells = [](std::string_view line) {
    std::vector<std::string> all;
    for (size_t begin = 0; begin <= line.size();) {
      const size_t end = std::min(line.find(',', begin), line.size());
      all.emplace_back(line.substr(begin, end - begin));
      begin = end + 1;
    }
    return all;
  };
  Csv csv;
  LineReader in(path);
  std::string_view line;
  while (in.next(&line)) {
    if (csv.head.empty()) {
      csv.head = cells(line);
      continue;
    }
    csv.rows.push_back(cells(line));
    check<DataError>(csv.rows.back().size() == csv.head.size(), path, ":", in.line(), ": ",
                     csv.head.size(), " columns are needed, got ", csv.rows.back().size());
  }
  return csv;
}

// ---- kernels ----

struct LayerKernels {
  int64_t layer, n, channels;
  std::vector<Matrix> matrices = {};  // of the operator, one per channel
  std::vector<double> near = {};      // share of energy at lags -2 .. 2, per channel
  std::vector<double> rough =
      {};  // sum (t[l+1] - t[l])^2 / (4 sum t[l]^2): 0 constant, 1 alternating
  int64_t spiky = 0, smooth = 0;  // the roughest and the smoothest channel
  std::string operator_name = {};
};

inline std::vector<double> kernel_of(const Matrix& T) {  // the middle column: lags -n/2 .. n/2 - 1
  std::vector<double> k;
  for (int64_t i = 0; i < T.rows; ++i) k.push_back(T(i, T.columns / 2));
  return k;
}

inline LayerKernels kernels_of(const Gtu& unit, int64_t layer, int64_t n, DType dtype) {
  LayerKernels k{.layer = layer, .n = n, .channels = 0};
  const auto look = [&](const Mixer& mixer) {
    std::visit([&](const auto& op) { k.channels = op.config.channels; }, mixer.op);
    static const char* const names[] = {"TNO", "SKI", "FD", "FD without a network"};
    k.operator_name = names[mixer.op.index()];
    k.matrices = matrices_of(n, k.channels, dtype, [&](const Variable& x) { return mixer(x, 1); });
  };
  if (const Mixer* mixer = std::get_if<Mixer>(&unit.toep)) {
    look(*mixer);
  } else {
    const Mixer2d& both = std::get<Mixer2d>(unit.toep);
    k.n = both.width;
    n = both.width;
    look(both.toep1);
  }
  for (int64_t d = 0; d < k.channels; ++d) {
    const std::vector<double> t = kernel_of(k.matrices[size_t(d)]);
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
  k.spiky = std::max_element(k.rough.begin(), k.rough.end()) - k.rough.begin();
  k.smooth = std::min_element(k.rough.begin(), k.rough.end()) - k.rough.begin();
  return k;
}

inline double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v.size() % 2 ? v[v.size() / 2] : (v[v.size() / 2 - 1] + v[v.size() / 2]) / 2;
}

inline void add_layer(Page& page, const LayerKernels& k) {
  const std::string name = "layer " + std::to_string(k.layer);
  page.heading("Layer " + std::to_string(k.layer) + ": channel " + std::to_string(k.spiky) +
               ", the roughest, and channel " + std::to_string(k.smooth) + ", the smoothest");
  std::vector<double> lags, near_lags, frequencies;
  for (int64_t i = 0; i < k.n; ++i) lags.push_back(double(i - k.n / 2));
  Series near[2], far[2], response[2];
  const int64_t reach = std::min<int64_t>(10, k.n / 2 - 1);
  for (int c = 0; c < 2; ++c) {
    const int64_t channel = c == 0 ? k.spiky : k.smooth;
    const std::vector<double> t = kernel_of(k.matrices[size_t(channel)]);
    const std::string label = "channel " + std::to_string(channel);
    far[c] = {label, lags, t, c == 0 ? 1 : 0, Series::Line};
    near[c] = {label, {}, {}, c == 0 ? 1 : 0, Series::Stems};
    for (int64_t l = -reach; l <= reach; ++l) {
      near[c].x.push_back(double(l) + (c == 0 ? -0.12 : 0.12));
      near[c].y.push_back(t[size_t(l + k.n / 2)]);
    }
    const std::vector<double> X = to_vector(rfft(tensor_of(t, {k.n, 1}), k.n).value());
    response[c] = {label, {}, {}, c == 0 ? 1 : 0, Series::Line};
    for (size_t i = 0; i < X.size(); i += 2) {
      response[c].x.push_back(double(i) / double(k.n));
      response[c].y.push_back(std::hypot(X[i], X[i + 1]));
    }
  }
  const std::string key = "kernels." + std::to_string(k.layer);
  page.figures(
      {figure::chart(
           {.caption = "<b>Near the diagonal</b>, lags −" + std::to_string(reach) + " to " +
                       std::to_string(reach) + ". The share of energy at |lag| ≤ 2 is " +
                       page.number(key + ".near-spiky", 100 * k.near[size_t(k.spiky)], "%.1f") +
                       "\u00a0% and " +
                       page.number(key + ".near-smooth", 100 * k.near[size_t(k.smooth)], "%.1f") +
                       "\u00a0%.",
            .label = "Two kernels of " + name + " near lag 0.",
            .x_label = "lag",
            .y_label = "t",
            .series = {near[0], near[1]}}),
       figure::chart(
           {.caption = "<b>All lags</b>, as output i sees an impulse in the middle of " +
                       std::to_string(k.n) + " positions. Roughness " +
                       page.number(key + ".rough-spiky", k.rough[size_t(k.spiky)], "%.2f") +
                       " and " +
                       page.number(key + ".rough-smooth", k.rough[size_t(k.smooth)], "%.2f") + ".",
            .label = "The same two kernels of " + name + " over all lags.",
            .x_label = "lag",
            .y_label = "t",
            .series = {far[0], far[1]}}),
       figure::chart({.caption = "<b>Responses</b>: the size of the kernels’ spectra. The spectrum "
                                 "of a spike is flat, that of a smooth kernel a peak near 0.",
                      .label = "Magnitude of the frequency responses of the same two kernels.",
                      .x_label = "frequency, in units of π",
                      .y_label = "|A|",
                      .series = {response[0], response[1]}})});
}

inline void add_training(Page& page, const std::string& folder) {
  const Csv metrics = read_csv(folder + "/metrics.csv");
  check<DataError>(!metrics.rows.empty(), folder, "/metrics.csv: holds no rows");
  Series loss{"training", {}, {}, 0, Series::Line},
      val_loss{"validation", {}, {}, 1, Series::Points};
  Series accuracy = loss, val_accuracy = val_loss;
  for (size_t i = 0; i < metrics.rows.size(); ++i) {
    const double step = metrics.number(i, "step");
    const auto add = [&](Series& s, const std::string& column) {
      const double v = metrics.number(i, column);
      if (std::isfinite(v)) s.x.push_back(step), s.y.push_back(v);
    };
    add(loss, "train_loss"), add(val_loss, "val_loss"), add(accuracy, "train_accuracy"),
        add(val_accuracy, "val_accuracy");
  }
  page.heading("Training");
  page.figures({figure::chart({.caption = "<b>Loss</b>, the mean cross-entropy.",
                               .label = "Training and validation loss over the steps.",
                               .x_label = "step",
                               .y_label = "loss",
                               .series = {loss, val_loss}}),
                figure::chart({.caption = "<b>Accuracy.</b>",
                               .label = "Training and validation accuracy over the steps.",
                               .x_label = "step",
                               .y_label = "accuracy",
                               .series = {accuracy, val_accuracy},
                               .percent = true})});
  page.heading("Where time and memory went");
  if (!std::filesystem::exists(folder + "/profile.csv")) {
    page.text(
        "<strong>Left out:</strong> the run kept no profile. <code>train_lra --profile</code> "
        "writes one.");
    return;
  }
  const Csv profile = read_csv(folder + "/profile.csv");
  std::vector<std::vector<std::string>> rows;
  double rest = 0, rest_bytes = 0;
  for (size_t i = 0; i < profile.rows.size(); ++i) {
    const double share = profile.number(i, "share"), steps = profile.number(i, "steps");
    const double bytes = profile.number(i, "bytes") / steps / 1e6;
    if (i >= 12) {
      rest += share, rest_bytes += bytes;
      continue;
    }
    const std::string op = profile.rows[i][profile.column("name")],
                      phase = profile.rows[i][profile.column("phase")];
    const std::string key = "profile." + std::to_string(i);
    rows.push_back({html(op) + (phase == "other" || phase.empty() ? "" : ", " + html(phase)),
                    "<svg style=\"width:120px;height:11px\" viewBox=\"0 0 120 11\" "
                    "aria-hidden=\"true\"><rect class=\"f0\" width=\"" +
                        figure::fixed(120 * std::min(1.0, share / profile.number(0, "share"))) +
                        "\" height=\"11\"/></svg>",
                    page.number(key + ".share", 100 * share, "%.1f") + "\u00a0%",
                    page.number(key + ".ms", 1e3 * profile.number(i, "seconds") / steps, "%.3f"),
                    page.number(key + ".MB", bytes, "%.2f")});
  }
  rows.push_back({"everything else", "",
                  page.number("profile.rest.share", 100 * rest, "%.1f") + "\u00a0%", "",
                  page.number("profile.rest.MB", rest_bytes, "%.2f")});
  page.table("A step, on average: the longest rows of profile.csv",
             {"op and pass", "share, drawn", "share", "ms", "MB made"}, rows);
}

inline void add_learned(Page& page, const std::string& folder, uint64_t seed) {
  page.section("kernels", "Learned kernels", "Learned kernels: what training made of them");
  const bool trained = !folder.empty();
  const Model m = trained ? read_model(folder) : fresh_model(seed);
  const Settings& s = m.settings;
  if (trained) {
    std::string name = std::filesystem::path(folder).filename().string();
    if (name.empty()) name = std::filesystem::path(folder).parent_path().filename().string();
    page.text(
        "From the run <strong>" + html(name) + "</strong>: " + html(s.task) + ", " + html(s.mixer) +
        ", recipe " + html(s.recipe) + ", seed " + page.count("run.seed", int64_t(s.seed)) + ", " +
        page.count("run.parameters", m.parameters->trained_count()) +
        " parameters. Best validation accuracy " +
        page.number("run.best-accuracy", 100 * m.best_accuracy, "%.1f") + "\u00a0%, at step " +
        page.count("run.best-step", m.best_step) + "; the kernels are those of that step.");
  } else {
    page.text(
        "<strong>No run was given</strong>, so these are the kernels that a model of recipe " +
        html(s.recipe) + " (" + html(s.task) + ", " + html(s.mixer) + ", seed " +
        page.count("run.seed", int64_t(s.seed)) +
        ") starts from, before any training. <code>report --run DIR</code> takes those of a run of "
        "<code>train_lra</code>.");
  }
  const std::vector<Block>& layers = m.trunk().layers;
  const int64_t n = std::clamp<int64_t>(s.max_length, 2, 128);
  std::vector<LayerKernels> kernels;
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < layers.size(); ++i) {
    const Gtu* unit = std::get_if<Gtu>(&layers[i].gtu);
    if (unit == nullptr) continue;
    kernels.push_back(kernels_of(*unit, int64_t(i), n, m.parameters->dtype()));
    const LayerKernels& k = kernels.back();
    std::vector<double> ranks;
    const int64_t looked_at = std::min<int64_t>(16, k.channels);
    for (int64_t c = 0; c < looked_at; ++c)
      ranks.push_back(
          effective_rank(singular_values(k.matrices[size_t(c * k.channels / looked_at)])));
    const auto [low, high] = std::minmax_element(ranks.begin(), ranks.end());
    const std::string key = "kernels." + std::to_string(i);
    rows.push_back({"layer " + std::to_string(i) + ", " + k.operator_name,
                    page.count(key + ".n", k.n), page.number(key + ".rank-low", *low, "%.1f"),
                    page.number(key + ".rank", median(ranks), "%.1f"),
                    page.number(key + ".rank-high", *high, "%.1f"),
                    page.number(key + ".near", 100 * median(k.near), "%.1f") + "\u00a0%"});
  }
  if (kernels.empty()) {
    page.text("This run mixes positions by softmax attention, which has no kernel to show.");
  } else {
    page.text(
        "Every operator is looked at as the n × n matrix it is for one channel. The effective "
        "rank, exp of the entropy of its singular values, says how many directions it really uses: "
        "1 for a mean over all "
        "positions, n for a spike. Lowest, median and highest of up to 16 channels a layer. Of "
        "each layer two channels are drawn: the roughest and the smoothest, by the energy of the "
        "steps between neighbouring lags over "
        "four times the energy of the kernel (0 for a constant, 1 for an alternating one).");
    page.table(
        "Effective rank of the operators, and energy near the diagonal",
        {"layer", "n", "rank: lowest", "median", "highest", "energy at |lag| ≤ 2, median channel"},
        rows);
    const size_t shown = std::min<size_t>(4, kernels.size());
    if (shown < kernels.size()) page.text("Four of the layers, evenly chosen:");
    for (size_t i = 0; i < shown; ++i)
      add_layer(page, kernels[shown == 1 ? 0 : i * (kernels.size() - 1) / (shown - 1)]);
  }
  if (trained) add_training(page, folder);
}

// ---- cost ----

struct Measurements {  // of forward and backward of an operator
  struct Point {
    double n, ms, low, high, bytes;
  };
  std::map<std::string, std::vector<Point>> lines;  // by the name of the operator
  int64_t batch = 0, dim = 0, threads = 0;
};

inline Measurements read_bench(const std::string& path) {
  std::ifstream in(path);
  check<DataError>(bool(in), "cannot open '", path, "'");
  Measurements m;
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    try {
      const nlohmann::json j = nlohmann::json::parse(line);
      if (j.at("kind") != "op" || j.at("pass") != "train") continue;
      m.batch = j.at("batch"), m.dim = j.at("dim"), m.threads = j.at("threads");
      m.lines[j.at("name")].push_back(
          {j.at("n").get<double>(), 1e3 * j.at("median_s").get<double>(),
           1e3 * j.at("q1_s").get<double>(), 1e3 * j.at("q3_s").get<double>(),
           j.at("peak_tensor_bytes").get<double>()});
    } catch (const nlohmann::json::exception& e) {
      fail<DataError>(path, ":", number, ": not a row of bench: ", e.what());
    }
  }
  check<DataError>(!m.lines.empty(), path, ": holds no row op/NAME/train");
  return m;
}

inline void add_cost(Page& page, const std::string& path) {
  page.section("cost", "Cost", "Cost: time against length");
  page.text(
      "A dense product of every pair of positions costs n²; so does softmax attention. TNO and FD "
      "cost n log n by FFT. SKI costs n: taps and two interpolations, "
      "and a small product of r inducing points whatever n is.");
  if (path.empty()) {
    page.text(
        "<strong>Left out:</strong> no measurement was given. <code>make report</code> measures "
        "first; by hand: <code>bench --filter op/ --json FILE</code>, then "
        "<code>report --bench FILE</code>.");
    return;
  }
  Measurements measured = read_bench(path);
  using Point = Measurements::Point;
  auto& lines = measured.lines;
  const auto [batch, dim, threads] = std::tuple{measured.batch, measured.dim, measured.threads};
  const std::vector<std::pair<std::string, std::string>> names = {
      {"ski", "SKI"}, {"fd", "FD"}, {"tno", "TNO"}, {"attention", "attention"}};
  std::vector<Series> times, memory;
  std::vector<std::vector<std::string>> rows;
  double start = INFINITY, n0 = INFINITY, n1 = 0;
  int color = 0;
  for (const auto& [name, label] : names) {
    std::vector<Point>& points = lines[name];
    if (points.empty()) continue;
    std::sort(points.begin(), points.end(),
              [](const Point& a, const Point& b) { return a.n < b.n; });
    Series time{label, {}, {}, color, Series::Line}, bytes = time,
                                                     dots{"", {}, {}, color, Series::Points};
    for (const Point& p : points) {
      time.x.push_back(p.n), time.y.push_back(p.ms);
      bytes.x.push_back(p.n), bytes.y.push_back(p.bytes / 1e6);
      const std::string key = "cost." + name + "." + formatted("%.0f", p.n);
      rows.push_back(
          {html(label) + ", n = " + formatted("%.0f", p.n), page.number(key + ".ms", p.ms, "%.3g"),
           page.number(key + ".q1", p.low, "%.3g"), page.number(key + ".q3", p.high, "%.3g"),
           page.number(key + ".MB", p.bytes / 1e6, "%.3g")});
    }
    dots.x = time.x, dots.y = time.y;
    n0 = std::min(n0, points.front().n), n1 = std::max(n1, points.back().n);
    start = std::min(start, points.front().ms);
    times.push_back(time), times.push_back(dots);
    memory.push_back(bytes);
    ++color;
  }
  check<DataError>(!times.empty(), path, ": no row of tno, ski, fd or attention");
  const auto guide = [&](const std::string& name, const std::function<double(double)>& growth) {
    Series g{name, {}, {}, 0, Series::Guide};
    for (double n = n0; n <= n1 * 1.0001; n *= std::sqrt(2.0))
      g.x.push_back(n), g.y.push_back(0.8 * start * growth(n) / growth(n0));
    return g;
  };
  std::vector<Series> with_guides = times;
  with_guides.push_back(guide("guides from below: n, n log n, n²", [](double n) { return n; }));
  with_guides.push_back(guide("", [](double n) { return n * std::log(n); }));
  with_guides.push_back(guide("", [](double n) { return n * n; }));
  page.text(
      "Measured by <code>bench</code>, forward and backward, float32: batch " +
      page.count("cost.batch", batch) + ", " + page.count("cost.channels", dim) + " channels, " +
      page.count("cost.threads", threads) + (threads == 1 ? " thread" : " threads") +
      "; medians. The measurement was made once, before this page, and is one of its inputs.");
  page.figures(
      {figure::chart({.caption = "<b>Time of a call.</b>",
                      .label = "Time against sequence length for four operators, with guides.",
                      .x_label = "sequence length n",
                      .y_label = "ms, forward and backward",
                      .series = with_guides,
                      .log_x = true,
                      .log_y = true,
                      .height = 290}),
       figure::chart({.caption = "<b>Memory of a call</b>: the most that its tensors held at once. "
                                 "Attention keeps n × n weights for each head.",
                      .label = "Peak tensor memory against sequence length for four operators.",
                      .x_label = "sequence length n",
                      .y_label = "MB",
                      .series = memory,
                      .log_x = true,
                      .log_y = true,
                      .height = 290})});
  page.raw("<details><summary>All measurements</summary>\n" +
           Page::table_markup("Milliseconds of a call: median and quartiles; peak memory",
                              {"operator", "median, ms", "lower quartile", "upper quartile", "MB"},
                              rows) +
           "</details>\n");
}

}  // namespace skiff::report
