#include "examples/language/run.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "core/blas.h"
#include "core/fft/fft.h"
#include "core/memory.h"
#include "core/processes.h"
#include "data/files/text_file.h"
#include "examples/language/extrapolation.h"
#include "examples/language/open_run.h"
#include "examples/language/recipes.h"
#include "examples/language/sample.h"
#include "examples/train/agreement.h"
#include "examples/train/checkpoint.h"
#include "examples/train/config_file.h"
#include "examples/train/init.h"
#include "examples/train/open_run.h"
#include "examples/train/parameter_groups.h"
#include "examples/train/profile_table.h"

namespace skiff {

LmRun::LmRun(const LmCommand& command)
    : options_(command.options),
      session_(command.session),
      folder_(options_.run.out),
      device_(device_named(session_.device, device_note_)) {
  other_data_ = contains(command.given, "data") &&
                known_config(options_.run.out)["data"] != options_.data.place;
  for (const char* name : {"extrapolate", "ngram", "sample-tokens", "temperature"})
    other_report_ = other_report_ ||
                    (contains(command.given, name) &&
                     known_config(options_.run.out)[name] != to_texts(options_.report).at(name));
  use_ = use_of_folder<LmOptions>(command, folder_, [&] { return recipe_of(options_); });
}

std::optional<LmResult> LmRun::operator()() {
  Display display(progressing(session_.progress), session_.quiet);
  display_ = &display;
  if (session_.resume && has_result()) return result_;
  display.begin("reading '" + options_.data.place + "'", "when the text is read");
  together(processes(), [&] { load_data(); });
  count_ngrams();
  if (!goes_on()) throw Stopped();
  together(processes(), [&] { build(); });
  check_same("data", text_);
  describe();
  if (session_.resume) {
    if (folder_.has("result.json")) peak_before_ = peak_from(folder_.read("result.json"));
    together(processes(), [&] { trainer_->resume(use_.other_steps); });
  } else if (!options_.train.init.empty()) {
    together(processes(), [&] { start_from(options_.train.init); });
  }
  trainer_->begin(use_.clears);
  if (trainer_->train(config_text(options_))) {
    finish();
    write_result();
  }
  return result_;
}

// Whether the run had finished; then this is its result, and nothing is computed again.
bool LmRun::has_result() {
  if (use_.other_steps || !folder_.has("result.json")) return false;
  result_ = lm_result_from(folder_.read("result.json"));
  if (!result_ || other_data_ || other_report_) {
    result_.reset();
    return false;
  }
  result_->folder = options_.run.out;
  display_->note("'" + options_.run.out + "' holds a finished run; this is its result" +
                 (session_.profile ? ", and no step is left to measure" : ""));
  return true;
}

void LmRun::load_data() {
  corpus_ = load_corpus(options_.data);
  text_ = fingerprint(corpus_);
  for (const TextSplit* split : {&corpus_.train, &corpus_.val})
    check<DataError>(split->size() + (corpus_.start() >= 0) >= 2, "'", options_.data.place,
                     "': training and validation need 2 tokens each, got ", corpus_.train.size(),
                     " and ", corpus_.val.size());
  const LmTrainOptions& train = options_.train;
  watched_ = scored(corpus_.val, corpus_.vocabulary, train.eval_limit);
  val_ = scored(corpus_.val, corpus_.vocabulary, train.test_limit);
  if (corpus_.test.size() > 1) test_ = scored(corpus_.test, corpus_.vocabulary, train.test_limit);
  mask_ = {.share = train.mask_share,
           .vocab = corpus_.vocabulary.size(),
           .left_out = {corpus_.vocabulary.eos(), corpus_.vocabulary.unk()},
           .mask = int32_t(corpus_.vocabulary.size())};
  memory::trim(Device::CPU);  // returns memory that reading needed
}

void LmRun::count_ngrams() {
  if (options_.masked() || options_.report.ngram == 0) return;
  display_->begin("counting n-grams", "when they are counted");
  std::string note;
  counting_ = counted(corpus_.train, val_.split, test_.split, corpus_.vocabulary.size(),
                      options_.report.ngram, &note);
  if (!note.empty()) display_->note("note: " + note);
}

void LmRun::build() {
  const LmTrainOptions& train = options_.train;
  parameters_.emplace(train.seed, options_.model.dtype, device_);
  card_ = {.options = options_.model_options(),
           .shape = {.vocab = corpus_.vocabulary.size() + options_.masked(),
                     .max_length = options_.windows.length},
           .task = corpus_.name,
           .language = options_.language};
  model_.emplace(parameters_->root(), card_.options, *card_.language, card_.shape);
  batches_.emplace(corpus_.train, options_.windows, train.batch_size, train.seed);
  const TrainerDetails details{
      .beta1 = train.beta1,
      .beta2 = train.beta2,
      .eps = train.eps,
      .decays = decaying_of(train.decaying, ""),
      .warmup_start = train.lr_start,
      .floor = train.lr_end,
      .sync_norm = train.sync_norm && options_.model.norm == NormKind::Batch};
  Objective& objective = *this;
  trainer_.emplace(train, options_.run, session_, objective, *parameters_, folder_, *display_,
                   details);
  memory::reset_peak(device_);
}

void LmRun::describe() const {
  const LmTrainOptions& train = options_.train;
  std::ostringstream text;
  text << options_.data.place << " (" << corpus_.name << ", " << text_ << "): " << title()
       << ", recipe " << train.recipe << ": " << parameters_->trained_count() << " parameters, "
       << corpus_.train.size() << " tokens for training, " << corpus_.val.size()
       << " for validation, " << trainer_->steps() << " steps of " << train.batch_size
       << " windows of " << options_.windows.length << train.shards_text() << "; "
       << value_text(options_.model.dtype) << ", " << omp_get_max_threads() << " threads, "
       << blas::description() << ", " << fft::description()
       << (device_ == Device::CUDA ? ", on cuda" : "") << "; run folder " << options_.run.out;
  display_->note(printable(text.str()));
  if (!device_note_.empty()) display_->note(device_note_);
  if (train.has_small_shards(options_.model.norm, train.batch_size)) display_->note(kSmallShards);
  for (const std::string& note : corpus_.notes) display_->note("note: " + printable(note));
  if (counting_.order > 0) {
    char line[120];
    std::snprintf(line, sizeof line, "to beat: %lld-grams have a validation loss of %.4f",
                  (long long)counting_.order, counting_.val);
    display_->note(line);
  }
  trainer_->note_warmup();
  if (!trainer_->validates())
    display_->note(
        "note: with --profile nothing is validated or tested, unless --eval-every is given");
}

// Parameters of another run, which must have the same vocabulary where it says so.
void LmRun::start_from(const std::string& checkpoint) {
  const safetensors::File file = safetensors::read(checkpoint_at(checkpoint).file);
  const std::optional<Vocabulary> vocabulary = vocabulary_of(file.metadata, file.path);
  check<DataError>(!vocabulary || *vocabulary == corpus_.vocabulary, "--init: '", checkpoint,
                   "' has another vocabulary than the text in '", options_.data.place,
                   "': ", vocabulary ? vocabulary->size() : 0, " ",
                   vocabulary ? vocabulary->name() : "", ", the text has ",
                   corpus_.vocabulary.size(), " ", corpus_.vocabulary.name());
  load_parameters(file, card_, *parameters_);
}

// ---- the objective of the trainer ----

void LmRun::next_batch() {
  const int64_t epoch = batches_->epoch(), first = batches_->position() * options_.train.batch_size;
  batch_ = batches_->next();
  if (!options_.masked()) return;
  const size_t n = size_t(options_.windows.length);
  int32_t *input = batch_.input.data<int32_t>(), *target = batch_.target.data<int32_t>();
  const auto mask = [&](int64_t row, int64_t least) {
    const size_t at = size_t(row) * n;
    mask_tokens({input + at, n}, {target + at, n}, mask_, options_.train.seed, 1 + epoch,
                first + row, least);
  };
  for (int64_t row = 0; row < options_.train.batch_size; ++row) mask(row, 0);
  if (batch_.targets() == 0) mask(0, 1);  // a small share of short windows may choose nothing
}

// The loss is the mean over the targets of the batch; those of a masked model are not equally many
// in every window.
Forward LmRun::forward(Range windows) {
  TokenBatch part = part_of(batch_, windows);
  const int64_t targets = part.targets();
  // A part without targets gets one of weight 0: the model runs, and its gradients are 0.
  if (targets == 0 && terms() > 0) part.target.data<int32_t>()[0] = 0;
  return {model_->loss(part.input.to(device_), part.target.to(device_)), targets};
}

// An evaluation reads as many tokens at once as a step.
int64_t LmRun::batch_tokens() const {
  return options_.train.largest_shard() * options_.windows.length;
}

EvaluationProgress LmRun::showing(const std::string& doing, int64_t targets) {
  display_->begin(doing + " on " + std::to_string(targets) + " tokens", "after this batch");
  parameters_->set_training(false);
  return [this, doing, targets, start = Clock::now()](int64_t done) {
    if (done > 0)
      display_->show(
          doing + ": " + std::to_string(done) + " of " + std::to_string(targets) + " tokens, " +
          Display::clock(seconds_since(start) / double(done) * double(targets - done)) + " left");
    return goes_on();
  };
}

std::optional<LanguageEvaluation> LmRun::evaluate_on(const ScoredText& text, EvaluationRule rule,
                                                     const std::string& doing) {
  const EvaluationProgress progress = showing(doing, text.split.size());
  const int64_t length = options_.windows.length;
  if (options_.masked())
    return evaluate_masked(&*model_, text, length, mask_, options_.train.seed, batch_tokens(),
                           device_, progress);
  return evaluate(&*model_, text, length, {rule, options_.evaluation.stride}, batch_tokens(),
                  device_, progress);
}

std::optional<Scores> LmRun::validate() {
  const std::optional<LanguageEvaluation> e =
      evaluate_on(watched_, options_.evaluation.rule, "validating");
  if (!e) return std::nullopt;
  char remark[160];
  std::snprintf(remark, sizeof remark, "%.4f bits per %s, perplexity %.3f (%s%s)", e->score.bits(),
                unit_of(corpus_.vocabulary).c_str(), e->score.perplexity(),
                words_for(options_.evaluation, options_.windows.length).c_str(),
                options_.masked() ? ", masked tokens" : "");
  return Scores{e->score.loss(), NAN, remark};
}

int64_t LmRun::sample_every() const {
  const auto& [ngram, every, tokens, temperature, multiples] = options_.report;
  if (options_.masked() || tokens == 0) return 0;
  if (every > 0) return every;
  return trainer_->eval_every();
}

std::string LmRun::write_text() {
  parameters_->set_training(false);
  return written_text(&*model_, corpus_.vocabulary,
                      {.tokens = options_.report.sample_tokens,
                       .temperature = options_.report.temperature,
                       .seed = options_.train.seed,
                       .length = options_.windows.length},
                      [] { return stop_signal == 0; });
}

void LmRun::after_step(int64_t step) {
  const int64_t every = sample_every();
  if (session_.quiet || every == 0 || step % every != 0 || step == trainer_->steps()) return;
  display_->note("step " + std::to_string(step) + ", a sample:\n" + printable_lines(write_text()));
}

double LmRun::validations_after_training() const {
  const double blocks = options_.evaluation.rule == EvaluationRule::Blocks ? 0 : 1;
  const double asked = double(multiples_of(options_.report.extrapolate).size());
  return ((1 + blocks + 2 * asked) * double(val_.split.size()) + double(test_.split.size())) /
         double(watched_.split.size());
}

std::map<std::string, std::string> LmRun::metadata() const {
  return lm_run_metadata(card_, corpus_.vocabulary, options_, text_);
}

void LmRun::check_resumable(const safetensors::File& file) const {
  const auto then = file.metadata.find("text.fingerprint");
  check<DataError>(then != file.metadata.end(), file.path,
                   ": not a checkpoint of train_lm: 'text.fingerprint' is missing");
  check<DataError>(then->second == text_, "--resume: '", options_.run.out,
                   "' was started on another text: '", options_.data.place, "' has ", text_,
                   "; it had ", then->second);
  // A configuration that is older than the option does not tell, and recipes have it otherwise.
  const bool glu = card_of(file).options.glu_dropout;
  check<UsageError>(glu == options_.model.glu_dropout, "--resume: '", options_.run.out,
                    "' was started with --", glu ? "" : "no-", "glu-dropout; give this option");
}

std::string LmRun::title() const {
  return corpus_.name + ", " + options_.mixer_name() + (options_.masked() ? ", masked" : "");
}

void LmRun::write_result() {
  const bool whole = result_ && result_->val.targets > 0;
  trainer_->write_or_warn([&] {
    folder_.write("result.json",
                  whole ? result_file(*result_) : peak_file(peak_memory(device_, peak_before_)));
  });
}

// ---- the result ----

// What is known without the evaluations at the end.
LmResult LmRun::facts() const {
  const Progress at = trainer_->at();
  LmResult r{.data = corpus_.name,
             .unit = unit_of(corpus_.vocabulary),
             .mixer = options_.mixer_name(),
             .recipe = options_.train.recipe,
             .objective = word_for(options_.train.objective),
             .rule = words_for(options_.evaluation, options_.windows.length),
             .folder = options_.run.out,
             .seed = options_.train.seed,
             .parameters = parameters_->trained_count(),
             .steps = at.step,
             .best_step = at.best_step,
             .best_averaged = at.best_averaged,
             .counting = counting_,
             .threads = omp_get_max_threads(),
             .seconds = std::round(trainer_->train_seconds() * 10) / 10,
             .tokens_per_second = std::round(trainer_->tokens_per_second()),
             .profile = session_.profile ? profile_table(trainer_->profile()) : ""};
  for (const MetricsRow& row : folder_.rows()) {
    if (!std::isnan(row.train_loss)) r.train_loss = row.train_loss;
    if (!std::isnan(row.val_loss)) r.last_val_loss = row.val_loss;
  }
  return r;
}

// The last checkpoint is saved by now: a signal stops at once, and --resume comes back here.
void LmRun::finish() {
  LmResult r = facts();
  const auto score = [&](const ScoredText& text, EvaluationRule rule, const char* doing) {
    const std::optional<LanguageEvaluation> e = evaluate_on(text, rule, doing);
    if (!e) trainer_->stopped();
    return *e;
  };
  if (trainer_->validates()) {
    if (!trainer_->best_is_last()) trainer_->load_weights("best.safetensors");
    const LanguageEvaluation val = score(val_, options_.evaluation.rule, "scoring validation");
    r.val = val.score;
    r.by_position = options_.evaluation.rule == EvaluationRule::Blocks
                        ? val.by_position()
                        : score(val_, EvaluationRule::Blocks, "scoring by blocks").by_position();
    if (test_.split.size() > 0)
      r.test = score(test_, options_.evaluation.rule, "scoring test").score;
    if (const auto multiples = multiples_of(options_.report.extrapolate); !multiples.empty()) {
      const auto e = extrapolate(&*model_, val_, options_.windows.length, multiples, batch_tokens(),
                                 device_, showing("extrapolating", val_.split.size()),
                                 [&](const std::string& text) { display_->note("note: " + text); });
      if (!e) trainer_->stopped();
      r.extrapolation = *e;
      if (!e->lengths.empty())
        trainer_->write_or_warn([&] {
          folder_.write("extrapolation.svg",
                        svg_of({{title(), *e, options_.windows.length}}, title(), counting_.val));
        });
    }
    if (!options_.masked() && options_.report.sample_tokens > 0) r.sample = write_text();
    if (stop_signal != 0) trainer_->stopped();  // the sample may be cut
  }
  r.peak = largest_peak(peak_memory(device_, peak_before_));
  result_ = r;
}

}  // namespace skiff
