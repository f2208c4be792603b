#include "examples/language/writing.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/scratch.h"
#include "data/characters.h"
#include "examples/train/inference.h"
#include "layers/generation/stream.h"

namespace skiff {

namespace {

using SteadyClock = std::chrono::steady_clock;

double since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

// The text of one sample as it grows.
struct Growing {
  TextStream text;
  StopStrings stops;
  bool keep;
  WrittenSample sample = {};
  bool ended = false;

  std::string add(const Vocabulary& vocabulary, int32_t token, const WritingOptions& o) {
    if (token == vocabulary.eos() && !o.ignore_eos) {
      ended = true;
      return "";
    }
    const bool raw = o.raw && vocabulary.kind() == Vocabulary::Kind::Bytes;
    const std::string piece = stops.add(raw ? vocabulary.token(token) : text.add(token));
    ended = stops.stopped();
    if (keep) {
      sample.tokens.push_back(token);
      sample.text += piece;
    }
    return piece;
  }
  std::string finish() {
    if (stops.stopped()) return "";
    std::string rest = stops.add(text.finish());
    rest += stops.finish();
    if (keep) sample.text += rest;
    return rest;
  }
};

std::string seconds_text(double s) {
  char text[40];
  std::snprintf(text, sizeof text, s < 1e-3 ? "%.0f us" : "%.2f ms", s < 1e-3 ? s * 1e6 : s * 1e3);
  return text;
}

}  // namespace

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase(stops_, "");
}

std::string StopStrings::add(const std::string& piece) {
  if (stopped_) return "";
  held_ += piece;
  size_t end = std::string::npos, start = end, kept = 0;
  for (const std::string& stop : stops_) {
    const size_t at = held_.find(stop);
    if (at != std::string::npos && std::pair(at + stop.size(), at) < std::pair(end, start)) {
      end = at + stop.size();
      start = at;
    }
    // The longest end of the text that begins a stop string.
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > kept; --n)
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) kept = n;
  }
  stopped_ = end != std::string::npos;
  const std::string free = held_.substr(0, stopped_ ? start : held_.size() - kept);
  held_ = stopped_ ? "" : held_.substr(free.size());
  return free;
}

std::string StopStrings::finish() { return std::exchange(held_, ""); }

std::string harmless(const std::string& text) {
  std::string shown;
  unsigned char before = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const unsigned next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    // U+0080 to U+009F, the bytes c2 80 to c2 9f, are control characters, too.
    const bool wide = (byte == 0xc2 && next >= 0x80 && next < 0xa0) ||
                      (before == 0xc2 && byte >= 0x80 && byte < 0xa0);
    before = byte;
    if (!wide && ((byte >= 32 && byte != 127) || byte == '\n' || byte == '\t')) {
      shown += text[i];
    } else {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", unsigned(byte));
      shown += escape;
    }
  }
  return shown;
}

std::string prompt_text(const std::string& prompt, const std::string& file) {
  check<UsageError>(prompt.empty() || file.empty(),
                    "--prompt and --prompt-file: only one of them can be given");
  const bool names_file = prompt.starts_with("FILE:");
  const std::string place = names_file ? prompt.substr(5) : file;
  check<UsageError>(!names_file || !place.empty(), "--prompt: a name must follow FILE:, got '",
                    prompt, "'");
  if (place.empty()) return prompt;
  std::string text;
  try {
    text = read_input(place);
  } catch (const DataError& error) {
    fail<DataError>(names_file ? "--prompt: " : "--prompt-file: ", error.what());
  }
  return text.starts_with(kByteOrderMark) ? text.substr(kByteOrderMark.size()) : text;
}

std::string note_of_unknown(const Vocabulary& vocabulary, const std::vector<int32_t>& prompt) {
  const auto unknown = std::count(prompt.begin(), prompt.end(), vocabulary.unk());
  if (vocabulary.unk() < 0 || unknown == 0) return "";
  return std::to_string(unknown) + " of " + std::to_string(prompt.size()) +
         " words of the prompt are unknown to the model, which reads them as <unk>";
}

Written write(Generator& generator, const Vocabulary& vocabulary,
              const std::vector<int32_t>& prompt, const WritingOptions& o,
              const std::function<void(const std::string&)>& print,
              const std::function<bool()>& goes_on) {
  Written result;
  Timing& timing = result.timing;
  const auto start = SteadyClock::now();
  generator.read(prompt);
  generator.split(o.samples);
  timing.prompt_seconds = since(start);
  timing.prompt_tokens = int64_t(prompt.size());

  std::vector<Growing> all;
  for (int64_t s = 0; s < o.samples; ++s)
    all.push_back({TextStream(&vocabulary, o.after_prompt && !prompt.empty() ? prompt.back() : -1),
                   StopStrings(o.stops), s > 0 || o.keep_first});
  std::vector<int32_t> next(static_cast<size_t>(o.samples));
  const int64_t position = generator.position();
  for (int64_t i = 0; o.tokens < 0 || i < o.tokens; ++i) {
    if (!goes_on()) {
      result.interrupted = true;
      break;
    }
    const auto begun = SteadyClock::now();
    if (i > 0) generator.step(next);
    int64_t alive = 0;
    for (size_t s = 0; s < all.size(); ++s) {
      if (all[s].ended) continue;
      const double u = choice_uniform(o.seed, int64_t(s), position + i);
      next[s] = chosen_token(generator.logits(int64_t(s)), o.choice, u);
      const std::string piece = all[s].add(vocabulary, next[s], o);
      if (s == 0 && !piece.empty()) print(piece);
      timing.tokens += 1;
      alive += !all[s].ended;
    }
    if (i > 0) {
      const double seconds = since(begun);
      timing.seconds += seconds;
      timing.longest = std::max(timing.longest, seconds);
    }
    if (alive == 0) break;
  }
  for (size_t s = 0; s < all.size(); ++s) {
    const std::string rest = all[s].finish();
    if (s == 0 && !rest.empty()) print(rest);
    result.samples.push_back(std::move(all[s].sample));
  }
  return result;
}

std::vector<Compared> compare_methods(LanguageModel* model, const GeneratorOptions& options,
                                      const std::vector<int32_t>& prompt,
                                      const std::vector<int32_t>& written,
                                      const WritingOptions& writing,
                                      const std::function<void(const std::string&)>& say) {
  std::vector<Method> methods = {Method::Dense, Method::Online, Method::States, Method::Naive};
  if (model->options().mixer == "ski") methods.insert(methods.begin() + 2, Method::Prefix);
  if (!has_kernels(model->options())) methods = {Method::Naive};
  std::vector<Compared> rows;
  std::vector<std::vector<double>> expected;  // logits of the first way
  for (const Method method : methods) {
    say(word_for(method));
    GeneratorOptions own = options;
    own.method = method;
    Generator generator(model, own);
    Compared row{.method = method, .timing = {}, .states_error = generator.states_error()};
    const auto start = SteadyClock::now();
    generator.read(prompt);
    row.timing.prompt_seconds = since(start);
    row.timing.prompt_tokens = int64_t(prompt.size());
    bool same = true;
    for (size_t i = 0; i < written.size(); ++i) {
      if (i > 0) {
        const auto begun = SteadyClock::now();
        generator.step(written[i - 1]);
        const double seconds = since(begun);
        row.timing.seconds += seconds;
        row.timing.longest = std::max(row.timing.longest, seconds);
        row.timing.tokens += 1;
      }
      const std::span<const double> logits = generator.logits();
      const double u = choice_uniform(writing.seed, 0, int64_t(prompt.size()) + int64_t(i));
      same = same && chosen_token(logits, writing.choice, u) == written[i];
      row.same += same;
      if (rows.empty()) {
        expected.emplace_back(logits.begin(), logits.end());
        continue;
      }
      double off = 0, largest = 0;
      for (size_t v = 0; v < logits.size(); ++v) {
        off = std::max(off, std::abs(logits[v] - expected[i][v]));
        largest = std::max(largest, std::abs(expected[i][v]));
      }
      if (largest > 0) row.difference = std::max(row.difference, off / largest);
    }
    row.state_bytes = generator.state_bytes();
    rows.push_back(row);
  }
  return rows;
}

double seconds_to_read(int64_t bytes) {
  if (bytes == 0) return 0;
  const int64_t n = std::max<int64_t>(bytes / 4, 1);
  const Scratch<float> scratch(n);
  float* memory = scratch + 0;
  std::fill_n(memory, n, 1.0f);
  std::vector<double> times;
  float kept = 0;
  for (int repeat = 0; repeat < 21; ++repeat) {
    const auto start = SteadyClock::now();
    float sum = 0;
#pragma omp parallel for simd reduction(+ : sum) schedule(static)
    for (int64_t i = 0; i < n; ++i) sum += memory[i];
    times.push_back(since(start));
    kept += sum;
  }
  std::nth_element(times.begin(), times.begin() + 10, times.end());
  return kept > 0 ? times[10] : 0;  // the sum is used, so that the reading is not left out
}

void print_speed(const Written& w, const Generator& g) {
  const Timing& t = w.timing;
  const int64_t timed = t.tokens - int64_t(w.samples.size());
  std::fprintf(stderr, "%lld tokens", (long long)t.tokens);
  if (timed > 0 && t.seconds > 0)
    std::fprintf(stderr, ", %.0f tokens/s, longest step %.2f ms", double(timed) / t.seconds,
                 t.longest * 1e3);
  std::fprintf(stderr, "; prompt of %lld, %.0f tokens/s; %s, %lld lags\n",
               (long long)t.prompt_tokens, double(t.prompt_tokens) / t.prompt_seconds,
               word_for(g.method()), (long long)g.lags());
  if (g.method() == Method::States)
    std::fprintf(stderr, "states: an output is wrong by at most %.2e times the largest input\n",
                 g.states_error().absolute);
}

nlohmann::ordered_json json_of(const Compared& c) {
  nlohmann::ordered_json row = {{"method", word_for(c.method)},
                                {"tokens", c.timing.tokens},
                                {"seconds", c.timing.seconds},
                                {"longest_step", c.timing.longest},
                                {"prompt_seconds", c.timing.prompt_seconds},
                                {"state_bytes", c.state_bytes},
                                {"difference", c.difference},
                                {"same_tokens", c.same}};
  if (c.method == Method::States) row["largest_error"] = c.states_error.absolute;
  return row;
}

std::string table_of(const std::vector<Compared>& rows, int64_t written, double floor) {
  char line[200];
  std::snprintf(line, sizeof line, "%-8s %10s %12s %12s %12s %10s %12s  %s\n", "method", "tokens/s",
                "per token", "longest", "prompt tok/s", "state", "difference", "same tokens");
  std::string table = line;
  for (const Compared& r : rows) {
    const double per_token = r.timing.tokens > 0 ? r.timing.seconds / double(r.timing.tokens) : 0;
    std::snprintf(line, sizeof line, "%-8s %10.0f %12s %12s %12.0f %7.2f MB %12.1e  %s\n",
                  word_for(r.method), per_token > 0 ? 1 / per_token : 0,
                  seconds_text(per_token).c_str(), seconds_text(r.timing.longest).c_str(),
                  double(r.timing.prompt_tokens) / r.timing.prompt_seconds,
                  double(r.state_bytes) / 1e6, r.difference,
                  r.same == written ? "all" : std::to_string(r.same).c_str());
    table += line;
    if (r.method == Method::States) {
      std::snprintf(line, sizeof line,
                    "         states: an output is wrong by at most %.2e times the largest input "
                    "(%.1e of sum |t|)\n",
                    r.states_error.absolute, r.states_error.relative);
      table += line;
    }
  }
  if (floor == 0) return table;
  std::snprintf(line, sizeof line, "floor: reading all weights once takes %s\n",
                seconds_text(floor).c_str());
  return table + line;
}

}  // namespace skiff
