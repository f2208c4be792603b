// The Trainer with an objective of its own: no data set and no classifier.
#include "autograd/ops.h"
#include "examples/train/trainer.h"
#include "tests/support/folder.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// Fits four weights to targets that change from batch to batch.
class Fit : public Objective {
 public:
  explicit Fit(Parameters& parameters)
      : weights_(parameters.root().parameter("weights", {4}, constant(1))) {}
  void next_batch() override {
    target_ = random_normal({4}, DType::Float32, uint64_t(position_++));
  }
  Forward forward(Range) override {
    const Variable error = weights_ - Variable(target_);
    return {.loss = mean(error * error), .terms = 1, .seen = 1};
  }
  int64_t terms() const override { return 1; }
  int64_t tokens() const override { return 4; }
  int64_t position() const override { return position_; }
  void set_position(int64_t position) override { position_ = position; }
  int64_t batches_per_epoch() const override { return 5; }
  std::optional<Scores> validate() override {
    ++validations;
    const double size = item(mean(weights_ * weights_));
    return Scores{size, std::exp(-size), ""};
  }
  double validations_after_training() const override { return 0; }
  std::map<std::string, std::string> metadata() const override { return {{"what", "fit"}}; }
  void check_resumable(const safetensors::File& file) const override {
    check<DataError>(file.metadata.at("what") == "fit", "another objective");
  }
  std::string title() const override { return "fit"; }
  Baseline baseline() const override { return {}; }
  void write_result() override { ++results; }

  int validations = 0, results = 0;

 private:
  Variable weights_;
  Tensor target_;
  int64_t position_ = 0;
};

// Trains in the folder up to `stop_at` (0: the end); whether all steps were taken.
bool train(const std::string& path, int64_t stop_at, bool resume) {
  TrainOptions train{.epochs = 4, .lr = 0.1, .clip = 1, .warmup = 3, .eval_every = 5};
  RunOptions run{.out = path, .save_every = 3, .log_every = 2};
  SessionOptions session;
  session.stop_at = stop_at;
  RunFolder folder(path);
  Display display(Progressing::Not, /*quiet=*/true);
  Parameters parameters(/*seed=*/1);
  Fit fit(parameters);
  Trainer trainer(train, run, session, fit, parameters, folder, display);
  CHECK(trainer.steps() == 20);
  if (resume) trainer.resume(/*other_steps=*/false);
  trainer.begin(/*clears=*/false);
  const bool whole = trainer.train("steps=20\n");
  CHECK(fit.validations > 0);
  CHECK(fit.results == 2);
  return whole;
}

}  // namespace

TEST_CASE("trainer: the score is the accuracy or, without classes, higher for a lower loss") {
  CHECK(Scores{3, 0.25, ""}.score() == 0.25);
  CHECK(Scores{.loss = 0}.score() == 1);
  CHECK(Scores{.loss = 1.5}.score() > Scores{.loss = 1.6}.score());
  CHECK(Scores{.loss = 1.5}.score() == doctest::Approx(std::exp(-1.5)));
  CHECK(Scores{1.5, 0.25, "", /*by_loss=*/true}.score() == doctest::Approx(std::exp(-1.5)));
  CHECK(Scores{.loss = NAN}.score() == 0);
  CHECK(Scores{.loss = INFINITY}.score() == 0);
}

TEST_CASE("trainer: any objective is trained, stopped and resumed to the same end") {
  const Folder whole, parts;
  CHECK(train(whole.name(), 0, false));
  CHECK_FALSE(train(parts.name(), 7, false));
  CHECK(train(parts.name(), 0, true));
  for (const char* name : {"ckpt-00000020.safetensors", "best.safetensors"}) {
    CAPTURE(name);
    CHECK_FALSE(slurp(whole.file(name)).empty());
    CHECK((slurp(whole.file(name)) == slurp(parts.file(name))));
  }
  CHECK(slurp(whole.file("curves.svg")).starts_with("<svg"));
  const std::string metrics = slurp(whole.file("metrics.csv"));
  CHECK(std::count(metrics.begin(), metrics.end(), '\n') == 1 + 10 + 2);  // every 2nd, and 5, 15
}
