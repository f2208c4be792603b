// Everything that describes a run of train_lm, as one tree, like that of train_lra
// (examples/train/options.h). The structs of options that both have are inherited, without the
// fields that mean nothing to a language model.
#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "data/language/evaluation.h"
#include "data/language/options.h"
#include "data/language/windows.h"
#include "examples/train/command_line.h"
#include "layers/options.h"

namespace skiff {

enum class LanguageObjective { Causal, Masked };
inline std::span<const Word<LanguageObjective>> words_of(LanguageObjective) {
  static constexpr Word<LanguageObjective> kWords[] = {{LanguageObjective::Causal, "causal"},
                                                       {LanguageObjective::Masked, "masked"}};
  return kWords;
}

// Visits the fields of a base of `o`, but for those named in `left_out`; `help` has other words for
// some.
using OtherHelp = std::pair<const char*, const char*>;
template <class Base, class Self, class Visitor>
void visit_inherited(Self& o, Visitor&& field, std::initializer_list<std::string_view> left_out,
                     std::initializer_list<OtherHelp> help = {}) {
  std::conditional_t<std::is_const_v<Self>, const Base, Base>& base = o;
  for_each_field(base, [&](const Field& inherited, auto& value) {
    for (const std::string_view name : left_out)
      if (name == inherited.name) return;
    Field changed = inherited;
    for (const auto& [name, words] : help)
      if (std::string_view(name) == inherited.name) changed.help = words;
    field(changed, value);
  });
}

struct LmModelOptions : ModelOptions {
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    // --objective decides whether the model is causal; the others are for classifiers.
    visit_inherited<ModelOptions>(o, field, {"readout", "layout", "mask-padding", "causal"});
  }
};

struct LmTrainOptions : TrainOptions {
  LanguageObjective objective = LanguageObjective::Causal;
  double mask_share = 0.15;
  double beta1 = 0.9, eps = 1e-8;
  double lr_start = 0, lr_end = 0;

  LmTrainOptions() {
    beta2 = 0.99;
    decaying = Decaying::Matrices;
  }

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "objective",
           .help = "What the model learns: the next token (causal), or masked tokens from both "
                   "sides (masked)"},
          o.objective);
    field({.name = "mask-share",
           .help = "masked: share of the positions that are predicted",
           .low = 0.001,
           .high = 0.999},
          o.mask_share);
    visit_inherited<TrainOptions>(
        o, field,
        {"bucket", "batch-tokens", "label-smoothing", "init-moments", "beta2",
         "decaying"},  // the last two are its own
        {{"recipe",
          "Set of defaults for all other options: demo (trains in a minute or two), tiny (about "
          "ten minutes), small (within the hour), paper (as published); --list shows all"},
         {"batch-size", "Windows per step"},
         {"epochs", "Passes over the training text"},
         {"eval-limit", "Tokens per validation, from the beginning of the split; 0: all"},
         {"test-limit",
          "Tokens of each split that is scored at the end, from its beginning; 0: all"}});
    field({.name = "beta1",
           .help = "adam, adamw: decay of the mean of the gradients",
           .low = 0,
           .high = 0.9999999},
          o.beta1);
    field({.name = "beta2",
           .help = "adam, adamw: decay of the mean of their squares",
           .low = 0,
           .high = 0.9999999},
          o.beta2);
    field({.name = "eps",
           .help = "adam, adamw: added to the root of that mean",
           .low = 1e-30,
           .high = 1},
          o.eps);
    field({.name = "lr-start",
           .help = "Learning rate at the beginning of the warm-up, as a share of --lr",
           .low = 0,
           .high = 1},
          o.lr_start);
    field({.name = "lr-end",
           .help = "Learning rate at the end of a cosine or polynomial, as a share of --lr",
           .low = 0,
           .high = 1},
          o.lr_end);
    field({.name = "decaying",
           .help = "What weight decay acts on: the matrices of linear maps and the embedding, "
                   "without those of kernels (matrices), all parameters outside kernels (trunk), "
                   "or all parameters (all)"},
          o.decaying);
  }
};

// What a run reports beside its losses. None of it changes the weights.
struct ReportOptions {
  int64_t ngram = 6;
  int64_t sample_every = 0, sample_tokens = 200;
  double temperature = 0.8;
  std::string extrapolate;

  static constexpr const char* kTitle = "Reports";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "ngram",
           .help = "Highest order of the n-grams that the model is compared with; 0: none",
           .low = 0,
           .high = 16,
           .changes_result = false},
          o.ngram);
    field({.name = "sample-every",
           .help = "Steps between texts that the model writes; 0: as --eval-every",
           .low = 0,
           .high = kManySteps,
           .changes_result = false},
          o.sample_every);
    field({.name = "sample-tokens",
           .help = "Tokens of such a text; 0: no texts",
           .low = 0,
           .high = 1e6,
           .changes_result = false},
          o.sample_tokens);
    field({.name = "temperature",
           .help = "Logits are divided by it before a token is drawn; 0: the most probable token",
           .low = 0,
           .high = 100,
           .changes_result = false},
          o.temperature);
    field({.name = "extrapolate",
           .help = "At the end, score validation in windows of these multiples of --length, such "
                   "as 1,2,4,8,16,28; empty: do not",
           .changes_result = false},
          o.extrapolate);
  }
};

struct LmRunOptions : RunOptions {
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    visit_inherited<RunOptions>(o, field, {"stages", "sweep"},
                                {{"out", "Run folder; runs/TEXT-RECIPE-MIXER-SEED if not given"}});
  }
};

struct LmOptions {
  LanguageDataOptions data;
  WindowOptions windows;
  LmModelOptions model;
  LanguageOptions language;
  LmTrainOptions train;
  EvaluationOptions evaluation;
  ReportOptions report;
  LmRunOptions run;

  bool masked() const { return train.objective == LanguageObjective::Masked; }
  ModelOptions model_options() const;  // with what the objective decides
  std::string mixer_name() const;      // "fd-free" of fd without a network

  static constexpr const char* kTitle = "Options";
  template <class Self, class Visitor>
  static void visit(Self& o, Visitor&& field) {
    field({.name = "data", .help = ""}, o.data);
    field({.name = "windows", .help = ""}, o.windows);
    field({.name = "model", .help = ""}, o.model);
    field({.name = "language", .help = ""}, o.language);
    field({.name = "train", .help = ""}, o.train);
    field({.name = "evaluation", .help = ""}, o.evaluation);
    field({.name = "report", .help = ""}, o.report);
    field({.name = "run", .help = ""}, o.run);
  }
};

using LmCommand = Command<LmOptions>;

// Reads the command line of train_lm into `flags` and runs the body with it, as run_command() does.
int run_with_lm_options(int argc, char** argv, Flags& flags,
                        const std::function<int(LmCommand&)>& body);

// A sentence per option of the command line that changes nothing.
std::vector<std::string> options_without_effect(const LmCommand& c);

// UsageError for options that cannot be meant together: those of a masked model that only a causal
// one has, and the stream of a model without kernels.
void check_options(const LmOptions& o);

// The numbers of "0.5,1,2,4" (--extrapolate), none for "": whole ones, and 0.5. UsageError for
// anything else.
std::vector<double> multiples_of(const std::string& text);

}  // namespace skiff
