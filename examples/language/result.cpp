#include "examples/language/result.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "data/files/text_file.h"
#include "data/language/ngram.h"
#include "examples/train/display.h"

namespace skiff {

namespace {

using nlohmann::ordered_json;

// f(name, value) for all that result.json keeps.
template <class R, class F>
void for_each_value(R& r, const F& f) {
  f("data", r.data), f("unit", r.unit), f("mixer", r.mixer), f("recipe", r.recipe);
  f("objective", r.objective), f("rule", r.rule), f("seed", r.seed);
  f("parameters", r.parameters), f("steps", r.steps), f("best_step", r.best_step);
  if (r.best_averaged) f("best_averaged", r.best_averaged);
  f("train_loss", r.train_loss), f("last_val_loss", r.last_val_loss);
  f("val_nats", r.val.nats), f("val_targets", r.val.targets);
  f("val_text_bytes", r.val.text_bytes), f("val_words", r.val.words);
  f("test_nats", r.test.nats), f("test_targets", r.test.targets);
  f("test_text_bytes", r.test.text_bytes), f("test_words", r.test.words);
  f("ngram_order", r.counting.order);
  f("ngram_val_loss", r.counting.val), f("ngram_test_loss", r.counting.test);
  f("loss_by_position", r.by_position);
  f("extrapolation_lengths", r.extrapolation.lengths);
  f("extrapolation_blocks", r.extrapolation.blocks);
  f("extrapolation_stream", r.extrapolation.stream);
  f("extrapolation_by_position", r.extrapolation.by_position);
  f("sample", r.sample), f("threads", r.threads), f("run_folder", r.folder);
  f("seconds", r.seconds), f("tokens_per_second", r.tokens_per_second);
  f("peak_tensor_bytes", r.peak.tensors), f("peak_resident_bytes", r.peak.resident);
}

ordered_json to_json(const LmResult& r) {
  ordered_json json;
  for_each_value(r, [&](const char* name, const auto& value) { json[name] = value; });
  for (const auto& [split, score] : {std::pair{"val", &r.val}, {"test", &r.test}}) {
    if (score->targets == 0) continue;
    const std::string name = split;
    json[name + "_loss"] = score->loss();
    json[name + "_bits"] = score->bits();
    json[name + "_perplexity"] = score->perplexity();
    if (score->text_bytes > 0) json[name + "_bits_per_byte"] = score->bits_per_byte();
    if (score->words > 0) json[name + "_word_perplexity"] = score->word_perplexity();
  }
  return json;
}

std::string text_of(const ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, ordered_json::error_handler_t::replace);
}

// A loss of the same targets.
LanguageScore with_loss(LanguageScore score, double loss) {
  score.nats = loss * double(score.targets);
  return score;
}

void print_scores(const LmResult& r) {
  const std::string counting = std::to_string(r.counting.order) + "-grams (counted)";
  print_score_header("per " + r.unit + ", " + r.rule);
  const std::string weights =
      (r.best_averaged ? "average up to step " : "weights of step ") + std::to_string(r.best_step);
  print_score("validation, " + weights, r.val);
  if (r.counting.order > 0)
    print_score("validation, " + counting, with_loss(r.val, r.counting.val));
  if (r.test.targets == 0) return;
  print_score("test, " + weights, r.test);
  if (r.counting.order > 0) print_score("test, " + counting, with_loss(r.test, r.counting.test));
}

void print_verdict(const LmResult& r) {
  if (r.counting.order == 0) return;
  const double gain = r.counting.val - r.val.loss();
  if (std::abs(gain) < 5e-5)
    std::printf("the model is as good as counting\n");
  else if (gain > 0)
    std::printf("the model is better than counting, by %.4f nats per %s\n", gain, r.unit.c_str());
  else
    std::printf(
        "the model loses to counting, by %.4f nats per %s: it has learnt less than the "
        "%lld-grams know\n",
        -gain, r.unit.c_str(), (long long)r.counting.order);
}

void print_positions(const std::vector<double>& losses) {
  std::printf("loss by position in the window:");
  for (size_t i = 0; i < losses.size(); ++i)
    std::printf("%s %s: %.3f", i ? "," : "", position_name(i).c_str(), losses[i]);
  std::puts("");
}

}  // namespace

std::string unit_of(const Vocabulary& vocabulary) {
  switch (vocabulary.kind()) {
    case Vocabulary::Kind::Bytes:
      return "byte";
    case Vocabulary::Kind::Characters:
      return "character";
    case Vocabulary::Kind::Words:
      return "word";
    case Vocabulary::Kind::Ids:
      break;
  }
  return "token";
}

std::string printable_lines(const std::string& text) {
  std::string lines, part;
  for (const char c : text + "\n") {
    if (c != '\n' && c != '\t') {
      part += c;
      continue;
    }
    lines += printable(part) + c;
    part.clear();
  }
  lines.pop_back();
  return lines;
}

std::string words_for(const EvaluationOptions& rule, int64_t length) {
  const std::string n = std::to_string(length);
  if (rule.rule == EvaluationRule::Blocks) return "blocks of " + n;
  if (rule.rule == EvaluationRule::Stream) return "stream, kernels of " + n + " lags";
  const int64_t stride = rule.stride > 0 ? rule.stride : std::max<int64_t>(1, length / 4);
  return "sliding, " + n + " every " + std::to_string(stride);
}

Counting counted(const TextSplit& train, const TextSplit& val, const TextSplit& test, int64_t vocab,
                 int64_t highest, std::string* note) {
  for (int64_t order = highest; order > 0; --order) {
    try {
      const NgramModel model(train, {.order = order, .vocab = vocab});
      const std::vector<double> losses = model.losses(val);
      const auto best = std::min_element(losses.begin(), losses.end());
      Counting c{best - losses.begin() + 1, *best, NAN};
      if (test.size() > 0) c.test = model.losses(test)[size_t(c.order - 1)];
      return c;
    } catch (const UsageError& e) {
      *note = e.what() + std::string("; counted are n-grams of a lower order");
    }
  }
  return {};
}

std::string result_file(const LmResult& r) { return text_of(to_json(r), 1) + "\n"; }

std::optional<LmResult> lm_result_from(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return {};
  LmResult result;
  try {
    for_each_value(result, [&](const char* name, auto& value) {
      if constexpr (std::is_same_v<decltype(value), double&>)
        if (json.at(name).is_null()) return void(value = NAN);
      json.at(name).get_to(value);
    });
    result.best_averaged = json.value("best_averaged", false);
  } catch (const nlohmann::json::exception&) {
    return {};
  }
  return result;
}

void print_score_header(const std::string& what) {
  std::printf("%-34s %9s %9s %11s %10s %11s\n", what.c_str(), "nats", "bits", "perplexity",
              "bits/byte", "targets");
}

void print_score(const std::string& name, const LanguageScore& score) {
  std::printf("%-34s %9.4f %9.4f %11.3f", name.c_str(), score.loss(), score.bits(),
              score.perplexity());
  score.text_bytes > 0 ? std::printf(" %10.4f", score.bits_per_byte()) : std::printf(" %10s", "-");
  std::printf(" %11lld\n", (long long)score.targets);
}

void print_table(const LmResult& r) {
  std::printf("%s, %s%s, recipe %s, seed %llu, %lld parameters\n", printable(r.data).c_str(),
              r.mixer.c_str(), r.objective == "masked" ? ", masked" : "", r.recipe.c_str(),
              (unsigned long long)r.seed, (long long)r.parameters);
  if (r.val.targets > 0) {
    print_scores(r);
    print_verdict(r);
    if (!r.by_position.empty()) print_positions(r.by_position);
  } else {
    std::puts(
        "neither validated nor tested: --profile measures the steps alone, unless --eval-every is "
        "given");
  }
  if (!r.extrapolation.lengths.empty())
    std::printf("\n%s", table_of(r.extrapolation, r.unit).c_str());
  if (!r.sample.empty()) std::printf("\n%s\n\n", printable_lines(r.sample).c_str());
  std::printf("trained %s, %s tokens/s, %s\n", Display::clock(r.seconds).c_str(),
              Display::thousands(r.tokens_per_second).c_str(), words_of_peak(r.peak).c_str());
  std::printf("curves: %s/curves.svg\n", r.folder.c_str());
  if (!r.extrapolation.lengths.empty())
    std::printf("extrapolation: %s/extrapolation.svg\n", r.folder.c_str());
  if (!r.profile.empty()) std::printf("\n%s", r.profile.c_str());
}

void print_json(const LmResult& r) { std::printf("%s\n", text_of(to_json(r), -1).c_str()); }

}  // namespace skiff
