// Generation: the tiles of the online convolution, what each way costs, kernels as states, and a
// text with the probability of each character.
#include <algorithm>
#include <cmath>
#include <optional>

#include "core/memory.h"
#include "examples/language/open_run.h"
#include "examples/language/sample.h"
#include "examples/report/kernels.h"
#include "examples/report/sections.h"
#include "layers/generation/causal_sum.h"
#include "layers/generation/choose.h"
#include "layers/generation/generator.h"
#include "layers/generation/stream.h"
#include "layers/operators/tno.h"

namespace skiff::report {
namespace {

// ---- who adds what, when ----

constexpr int64_t kInputs = 8;

int64_t low(int64_t m) { return m & -m; }

// The tile (its m) that adds input j to output i, with base blocks of one input; 0: step i itself.
int64_t tile_of(int64_t i, int64_t j) {
  int64_t best = 0;
  for (int64_t m = j + 1; m <= i; ++m)
    if (low(m) > low(best) || best == 0) best = m;
  return best;
}

// After step s and the tile at m = s + 1.
charts::HeatMap added_by(int64_t s) {
  charts::HeatMap map{.rows = kInputs, .columns = kInputs, .limit = 1};
  map.row_label = "output i";
  map.column_label = "input j";
  map.bar = false;
  for (int64_t i = 0; i < kInputs; ++i)
    for (int64_t j = 0; j < kInputs; ++j) {
      const int64_t tile = j <= i ? tile_of(i, j) : -1;
      const bool now = tile == 0 ? i == s : tile == s + 1;
      const bool before = tile == 0 ? i < s : tile > 0 && tile <= s;
      map.values.push_back(now ? 1 : before ? 0.35 : 0);
    }
  const int64_t m = s + 1, U = low(m);
  if (m < kInputs)
    map.outlines = {
        {double(m), double(m - U), double(std::min(U, kInputs - m)), double(U), "tile"}};
  return map;
}

// What every sum holds after step s and its tile, for inputs x_j = j + 1 and t_l = 1 / 2^l.
std::string sums_after(int64_t s) {
  std::string rows =
      "<table><tr><th>output</th><th class=\"l\">inputs in its sum</th><th>sum</th></tr>";
  for (int64_t i = 0; i < kInputs; ++i) {
    double sum = 0;
    int64_t inputs = 0;  // tiles come in the order of their inputs
    for (int64_t j = 0; j <= i; ++j) {
      const int64_t tile = tile_of(i, j);
      if (tile == 0 ? i > s : tile > s + 1) continue;
      sum += double(j + 1) * std::ldexp(1.0, int(j - i));
      ++inputs;
    }
    std::string held = inputs == 0 ? "none yet"
                       : inputs == 1
                           ? "x<sub>0</sub>"
                           : "x<sub>0</sub> to x<sub>" + std::to_string(inputs - 1) + "</sub>";
    if (i <= s) held = i == s ? "all: written now" : "all: written before";
    rows += "<tr><td>" + std::to_string(i) + "</td><td class=\"l\">" + held + "</td><td>" +
            (inputs == 0 ? std::string("0") : formatted("%.3f", sum)) + "</td></tr>";
  }
  return rows + "</table>";
}

std::string panel(int64_t s) {
  const std::string step = std::to_string(s);
  const int64_t m = s + 1, U = low(m), last = std::min(m + U, kInputs) - 1;
  const auto range = [](const char* noun, int64_t from, int64_t to) {
    return noun + (from == to ? " " + std::to_string(from)
                              : "s " + std::to_string(from) + " to " + std::to_string(to));
  };
  std::string words =
      "<p>Step " + step + " reads x<sub>" + step + "</sub> and completes y<sub>" + step + "</sub>.";
  if (m < kInputs)
    words += " Then the tile at m = " + std::to_string(m) + " adds " +
             range("input", m - U, m - 1) + " to the pending " + range("sum", m, last) + ".";
  return words +
         "</p><div class=\"figures n2\"><figure role=\"img\" aria-label=\"Which input has been "
         "added to which output after step " +
         step + "\">" + charts::svg(added_by(s)) + "</figure><figure>" + sums_after(s) +
         "</figure></div>";
}

// The largest difference between the tiles and the definition, on a kernel of `lags` lags.
double difference_of_tiles(int64_t lags, int64_t n, uint64_t seed) {
  const Tensor kernel = column(random_signal(lags, seed, 31));
  const std::vector<double> x = random_signal(n, seed, 32);
  const CausalSumPtr<double> dense = dense_sum<double>(kernel),
                             online = online_sum<double>(kernel, {.block = 1, .direct = 8});
  Tensor scratch({online->scratch_bytes() / 4 + 1}, DType::Int32);
  double largest = 0;
  for (const double value : x) {
    double a = 0, b = 0;
    dense->step(&value, &a);
    online->step(&value, &b);
    for (int64_t part = 0; part < online->parts(); ++part)
      online->between_steps(part, scratch.raw());
    largest = std::max(largest, std::abs(a - b));
  }
  return largest;
}

// ---- operations of one input and channel ----

double fft_flops(double F) { return 2.5 * F * std::log2(F); }

// With a kernel of `position` lags; the mean from a half of the position to it.
double online_flops(int64_t position) {
  const OnlineOptions o;
  double flops = 0;
  for (int64_t m = position / 2 + 1; m <= position; ++m) {
    flops += 2 * double((m - 1) % o.block + 1);
    if (m % o.block != 0) continue;
    const double U = double(std::min(low(m), o.near));
    flops += U <= double(o.direct) ? 2 * U * U : 2 * fft_flops(2 * U) + 6 * (U + 1);
  }
  flops /= double(position - position / 2);
  for (int64_t V = o.near / 2; 2 * V < position; V *= 2)  // far levels
    flops += 2 * fft_flops(4 * double(V)) / double(V) + 12 + 3;
  return flops;
}

charts::Chart cost_chart(Page& page) {
  constexpr int64_t kPoints = 64, kFilter = 9, kExact = 32, kStates = 16;
  Series naive{"naive, per layer", {}, {}, 3}, dense{"dense", {}, {}, 1},
      online{"online", {}, {}, 0}, prefix{"prefix sums, r = 64", {}, {}, 2},
      states{"16 states", {}, {}, 4};
  for (int64_t i = 256; i <= 65536; i *= 2) {
    const double position = double(i);
    const auto add = [&](Series& s, double flops) {
      s.x.push_back(position);
      s.y.push_back(flops);
    };
    add(naive, 3 * fft_flops(2 * position));
    add(dense, 2 * position);
    add(online, online_flops(i));
    add(prefix, 7.0 * (kPoints - 1) + 2 * kFilter);
    add(states, 2.0 * kExact + 2.0 * kStates * kStates + 4 * kStates);
  }
  page.number("generation.dense-16k", dense.y[6], "%.0f");
  page.number("generation.online-16k", online.y[6], "%.0f");
  page.number("generation.gain-16k", dense.y[6] / online.y[6], "%.0f");
  return {.x_label = "position",
          .y_label = "operations",
          .series = {naive, dense, online, prefix, states},
          .log_x = true,
          .log_y = true};
}

// ---- kernels as states ----

constexpr int64_t kLags = 400, kChannels = 8;

bool has_learnt_kernels(const OpenedLmRun& run) {
  return has_kernels(run.model().options()) && run.options.mixer_name() != "none";
}

// Some channels of the kernel of a layer, which is that of a trained model or that a tno begins
// with.
Tensor example_kernel(OpenedLmRun* run, uint64_t seed) {
  if (run != nullptr && has_learnt_kernels(*run)) {
    const Gtu& first = *toeplitz_units(&run->model()).front();
    const Tensor all = first.mixer->causal_taps(kLags).to(DType::Float64);
    return slice(Variable(all), 1, 0, std::min(kChannels, all.size(1))).value().clone();
  }
  Parameters store(seed, DType::Float64);
  const Tno tno(store.root(), {.channels = kChannels},
                {.causal = true, .gamma = 0.985, .rpe = {.width = 64, .layers = 6}},
                {.network = TnoNetwork::Tnn});
  return tno.causal_taps(kLags);
}

// Of each channel, relative to the sum of |t|: the largest possible error of an output.
std::vector<double> relative_errors(const Tensor& kernel, const StateKernel& states) {
  const int64_t D = kernel.size(1);
  std::vector<double> errors;
  for (int64_t d = 0; d < D; ++d) {
    double sum = 0;
    for (int64_t l = 0; l < kLags; ++l) sum += std::abs(kernel.data<double>()[l * D + d]);
    errors.push_back(states.error.data<double>()[d] / sum);
  }
  return errors;
}

Series taps_of(const std::string& name, const Tensor& kernel, int64_t channel, int color,
               Series::Kind kind) {
  Series line{name, {}, {}, color, kind};
  for (int64_t l = 0; l < 40; ++l) {
    line.x.push_back(double(l));
    line.y.push_back(kernel.data<double>()[l * kernel.size(1) + channel]);
  }
  return line;
}

void draw_states(Page& page, OpenedLmRun* run, uint64_t seed) {
  const Tensor kernel = example_kernel(run, seed);
  const std::vector<double> hard = relative_errors(kernel, state_kernel(kernel, 0, 2));
  const int64_t channel = std::max_element(hard.begin(), hard.end()) - hard.begin();
  charts::Chart taps{.x_label = "lag", .y_label = "t"},
      errors{.x_label = "states s", .y_label = "largest error", .log_x = true, .log_y = true};
  taps.series.push_back(taps_of("kernel", kernel, channel, 0, Series::Line));
  for (const int64_t s : {2, 8})
    taps.series.push_back(taps_of(std::to_string(s) + " states",
                                  kernel_of(state_kernel(kernel, 0, s), kLags), channel,
                                  s == 2 ? 1 : 3, Series::Dashed));
  int color = 0;
  for (const int64_t exact : {0, 8, 32}) {
    Series line{std::to_string(exact) + " lags as they are", {}, {}, color++};
    for (const int64_t s : {1, 2, 4, 8, 16}) {
      line.x.push_back(double(s));
      const std::vector<double> all = relative_errors(kernel, state_kernel(kernel, exact, s));
      line.y.push_back(*std::max_element(all.begin(), all.end()));
    }
    errors.series.push_back(line);
  }
  page.number("generation.states-error", errors.series[2].y[3], "%.1e");
  draw(page.values, "generation.taps", taps);
  draw(page.values, "generation.states", errors);
}

// ---- a text ----

// What the model of a run writes; darker where a token was more probable.
std::string sample(Page& page, OpenedLmRun& run) {
  Generator generator(&run.model());
  const ChoiceOptions choice;
  TextStream text(&run.vocabulary);
  std::string shaded;
  double surprise = 0;
  int64_t count = 0;
  int32_t token = first_token(run.vocabulary);
  for (; count < 400; ++count) {
    generator.step(token);
    token = chosen_token(generator.logits(), choice,
                         choice_uniform(run.options.train.seed, 0, count + 1));
    const double p = choice_probabilities(generator.logits(), {.temperature = 1})[size_t(token)];
    surprise -= std::log2(p);
    const int shade = std::min(int(p * 5), 4);
    shaded +=
        "<span class=\"p" + std::to_string(shade) + "\">" + escaped(text.add(token)) + "</span>";
  }
  shaded += escaped(text.finish());
  page.count("generation.tokens", count);
  page.number("generation.bits", surprise / double(count), "%.2f");
  return page.render("generation_sample.html", {{"text", shaded},
                                                {"data", escaped(run.opened.card.task)},
                                                {"mixer", escaped(run.options.mixer_name())}});
}

}  // namespace

void check_text_run(const std::string& folder) {
  check<UsageError>(folder.empty() || !open_lm_run(folder).options.masked(), "--text-run: '",
                    folder, "' holds a masked model, which writes no text");
}

void add_generation(Page& page, const std::string& folder, uint64_t seed) {
  std::vector<std::pair<std::string, std::string>> panels;
  for (int64_t s = 0; s < kInputs; ++s) panels.push_back({"step " + std::to_string(s), panel(s)});
  page.set("generation.tiles", frames("tiles", "After which step?", panels));
  page.number("generation.difference", difference_of_tiles(100, 300, seed), "%.1e");
  draw(page.values, "generation.cost", cost_chart(page));
  std::optional<OpenedLmRun> run;
  if (!folder.empty()) run.emplace(open_lm_run(folder));
  draw_states(page, run ? &*run : nullptr, seed);
  page.set("generation.whose",
           run && has_learnt_kernels(*run)
               ? "has learnt (the first layer, " + escaped(run->options.mixer_name()) + ")"
               : "of a TNO has before training, &gamma; = 0.985");
  page.set("generation.sample", run ? sample(page, *run) : page.render("generation_none.html"));
}

}  // namespace skiff::report
