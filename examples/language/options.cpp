#include "examples/language/options.h"

#include <sstream>

#include "examples/language/recipes.h"
#include "examples/train/progress.h"
#include "examples/train/without_effect.h"
#include "layers/generation/stream.h"
#include "layers/mixers.h"

namespace skiff {

ModelOptions LmOptions::model_options() const {
  ModelOptions o = model;
  o.kernel.causal = !masked();
  return o;
}

std::string LmOptions::mixer_name() const {
  return model.mixer + (model.mixer == "fd" && model.fd.points > 0 ? "-free" : "");
}

int run_with_lm_options(int argc, char** argv, Flags& flags,
                        const std::function<int(LmCommand&)>& body) {
  return run_command<LmOptions>(argc, argv, flags, "train_lm",
                                {{"recipe", "mixer", "objective"}, recipe_of}, body);
}

std::vector<std::string> options_without_effect(const LmCommand& c) {
  WithoutEffect without(c.given);
  const LmOptions& o = c.options;
  const ScheduleKind schedule = o.train.schedule;
  const bool ends = schedule == ScheduleKind::Cosine || schedule == ScheduleKind::Polynomial;
  without.unless(o.masked(), "with --objective causal", {"mask-share"});
  without.unless(!o.masked(), "with --objective masked: the model writes no text",
                 {"sample-every", "sample-tokens", "temperature"});
  without.unless(!o.masked(), "with --objective masked: n-grams predict the next token", {"ngram"});
  without.unless(false, "with --mixer " + o.model.mixer, unread_options(o.model));
  without.unless(ends, "with --schedule " + value_text(schedule), {"lr-end"});
  without.unless(o.train.warmup > 0, "without --warmup", {"lr-start"});
  without.of_training(o.train, o.model);
  without.unless(o.evaluation.rule == EvaluationRule::Sliding,
                 "with --eval-rule " + value_text(o.evaluation.rule), {"eval-stride"});
  without.unless(!o.model.postnorm, "with --postnorm", {"final-norm"});
  return without.notes();
}

void check_options(const LmOptions& o) {
  check<UsageError>(!o.data.place.empty(), "--data: must name a text, got ''");
  for (const auto& [name, limit] :
       {std::pair{"eval-limit", o.train.eval_limit}, {"test-limit", o.train.test_limit}})
    check<UsageError>(limit != 1, "--", name,
                      ": must be 0 or at least 2 tokens, one to read and one to predict, got 1");
  check<UsageError>(!o.masked() || o.evaluation.rule == EvaluationRule::Blocks,
                    "--eval-rule: a masked model must be scored by blocks, got ",
                    word_for(o.evaluation.rule));
  check<UsageError>(!o.masked() || o.report.extrapolate.empty(),
                    "--extrapolate: must be empty with --objective masked, got '",
                    o.report.extrapolate, "'");
  check<UsageError>(o.evaluation.rule != EvaluationRule::Stream || has_kernels(o.model_options()),
                    "--eval-rule: must be blocks or sliding for attention, and with --sinusoids or "
                    "--tno-normalize: a stream needs mixers that are kernels alone; got stream");
  check<UsageError>(o.evaluation.stride <= o.windows.length, "--eval-stride: must be at most the ",
                    o.windows.length, " tokens of a window, got ", o.evaluation.stride);
  multiples_of(o.report.extrapolate);
}

std::vector<double> multiples_of(const std::string& text) {
  std::vector<double> multiples;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const double value = part == "0.5" ? 0.5 : double(whole_number(part).value_or(0));
    check<UsageError>(value == 0.5 || (value >= 1 && value <= 100000),
                      "--extrapolate: must be 0.5 or whole numbers from 1 to 100000, with commas "
                      "between them, got '",
                      text, "'");
    multiples.push_back(value);
  }
  check<UsageError>(text.empty() || text.back() != ',',
                    "--extrapolate: must end with a number, got '", text, "'");
  return multiples;
}

}  // namespace skiff
