// Trains a Toeplitz model on a task of the Long Range Arena (Tay et al. 2021) and tests it.
// Run:     build/cpu/lra_data generate listops --out data/listops
//          build/cpu/train_lra --task listops --mixer ski --recipe tiny --data data
// Expect:  a table with the accuracy on validation and test, the majority rate beside them; the
//          README has measured ones. Progress goes to stderr, the run folder keeps the rest.
#include <omp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/blas.h"
#include "core/memory.h"
#include "data/batch.h"
#include "data/fingerprint.h"
#include "examples/train/device.h"
#include "examples/train/display.h"
#include "examples/train/profile_table.h"
#include "examples/train/run_folder.h"
#include "examples/train/settings.h"
#include "examples/train/tasks.h"
#include "optim/adam.h"
#include "optim/clip.h"

using namespace skiff;

namespace {

// Where batch norm takes its running statistics, a rare example can grow through the products of
// the units until its logits are not finite. It counts as wrong, whatever class stands first.
struct Score {
  double loss = 0, accuracy = 0;
  int64_t not_finite = 0;  // examples

  std::string remark() const {
    return std::to_string(not_finite) + (not_finite == 1 ? " example has" : " examples have") +
           " logits that are not finite, counted as wrong";
  }
};

struct Verdicts {
  int64_t correct = 0, not_finite = 0;
};
Verdicts judge(const Tensor& logits, const Tensor& labels) {
  const std::vector<double> values = to_vector(logits);
  const int64_t classes = logits.size(1);
  Verdicts verdicts;
  for (int64_t b = 0; b < logits.size(0); ++b) {
    const auto row = values.begin() + b * classes;
    const bool finite = std::all_of(row, row + classes, [](double v) { return std::isfinite(v); });
    verdicts.not_finite += !finite;
    verdicts.correct +=
        finite && std::max_element(row, row + classes) - row == labels.data<int32_t>()[b];
  }
  return verdicts;
}

// ---- what a run ends with ----

struct Result {
  std::string task, mixer, recipe, folder;
  uint64_t seed = 0;
  int64_t parameters = 0, steps = 0, best_step = 0;
  // NaN where nothing was measured.
  double best_val = NAN, best_test = NAN, last_val = NAN, last_test = NAN;
  double train_loss = NAN, best_val_loss = NAN, last_val_loss = NAN, best_test_loss = NAN,
         last_test_loss = NAN;
  double majority_val = 0, majority_test = 0;
  int64_t val_examples = 0, all_val_examples = 0, test_examples = 0, all_test_examples = 0;
  int threads = 0;
  double seconds = 0, tokens_per_second = 0, tensor_bytes = 0, resident_bytes = 0;
  std::string profile;  // a table, with --profile
  bool evaluated = true;
};

// f(name, number or text) for what result.json keeps of a result.
template <class R, class F>
void for_each_field(R& r, const F& f) {
  f("task", r.task), f("mixer", r.mixer), f("recipe", r.recipe), f("seed", r.seed);
  f("parameters", r.parameters), f("steps", r.steps), f("best_step", r.best_step);
  f("best_val", r.best_val), f("best_test", r.best_test), f("last_val", r.last_val),
      f("last_test", r.last_test);
  f("train_loss", r.train_loss), f("best_val_loss", r.best_val_loss),
      f("last_val_loss", r.last_val_loss);
  f("best_test_loss", r.best_test_loss), f("last_test_loss", r.last_test_loss);
  f("majority_val", r.majority_val), f("majority_test", r.majority_test);
  f("val_examples", r.val_examples), f("all_val_examples", r.all_val_examples);
  f("test_examples", r.test_examples), f("all_test_examples", r.all_test_examples);
  f("threads", r.threads), f("seconds", r.seconds), f("tokens_per_second", r.tokens_per_second);
  f("peak_tensor_bytes", r.tensor_bytes), f("peak_resident_bytes", r.resident_bytes);
}

nlohmann::ordered_json to_json(const Result& r) {
  const auto share = [](double v) { return std::round(v * 1e6) / 1e6; };  // NaN becomes null
  return {{"task", r.task},
          {"mixer", r.mixer},
          {"recipe", r.recipe},
          {"seed", r.seed},
          {"parameters", r.parameters},
          {"steps", r.steps},
          {"best_step", r.best_step},
          {"best_val_accuracy", share(r.best_val)},
          {"best_test_accuracy", share(r.best_test)},
          {"last_val_accuracy", share(r.last_val)},
          {"last_test_accuracy", share(r.last_test)},
          {"majority_val", share(r.majority_val)},
          {"majority_test", share(r.majority_test)},
          {"train_loss", share(r.train_loss)},
          {"best_val_loss", share(r.best_val_loss)},
          {"last_val_loss", share(r.last_val_loss)},
          {"best_test_loss", share(r.best_test_loss)},
          {"last_test_loss", share(r.last_test_loss)},
          {"validation_examples", r.val_examples},
          {"validation_limited", r.val_examples < r.all_val_examples},
          {"test_examples", r.test_examples},
          {"test_limited", r.test_examples < r.all_test_examples},
          {"threads", r.threads},
          {"run_folder", r.folder},
          {"seconds", std::round(r.seconds * 10) / 10},
          {"tokens_per_second", int64_t(std::round(r.tokens_per_second))},
          {"peak_tensor_bytes", int64_t(r.tensor_bytes)},
          {"peak_resident_bytes", int64_t(r.resident_bytes)}};
}
// On one line. A path may hold bytes that are no UTF-8.
void print_json(const nlohmann::ordered_json& json) {
  std::printf("%s\n",
              json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

// "500 of 25000 validation", or "25000 validation".
std::string examples_of(int64_t count, int64_t all, const std::string& split) {
  return std::to_string(count) + (count < all ? " of " + std::to_string(all) : "") + " " + split;
}

void print_table(const Result& r, const std::string& curves) {
  std::printf("%s, %s, recipe %s, seed %llu, %lld parameters\n", r.task.c_str(), r.mixer.c_str(),
              r.recipe.c_str(), (unsigned long long)r.seed, (long long)r.parameters);
  if (r.evaluated) {
    std::printf("%-28s %11s %11s\n", "accuracy", "validation", "test");
    const auto row = [](const std::string& name, double val, double test) {
      std::printf("%-28s %9.1f %% %9.1f %%\n", name.c_str(), 100 * val, 100 * test);
    };
    row("best weights (step " + std::to_string(r.best_step) + ")", r.best_val, r.best_test);
    row("last weights (step " + std::to_string(r.steps) + ")", r.last_val, r.last_test);
    row("majority class", r.majority_val, r.majority_test);
    std::printf("on %s and %s examples\n",
                examples_of(r.val_examples, r.all_val_examples, "validation").c_str(),
                examples_of(r.test_examples, r.all_test_examples, "test").c_str());
  } else {
    std::printf(
        "neither validated nor tested: --profile measures the steps alone, unless --eval-every is "
        "given\n");
  }
  std::printf(
      "trained %s, %s tokens/s (padding included), peak memory %.0f MB of tensors, %.0f MB "
      "resident\n",
      Display::clock(r.seconds).c_str(), Display::thousands(r.tokens_per_second).c_str(),
      r.tensor_bytes / 1e6, r.resident_bytes / 1e6);
  std::printf("curves: %s\n", curves.c_str());
  if (!r.profile.empty()) std::printf("\n%s", r.profile.c_str());
}

// ---- one run ----

class Run {
 public:
  // only_best_test: the result lacks what a table of many runs does not show, the accuracies on
  // validation and those of the last weights; large test sets make them long.
  Run(const Settings& settings, const std::string& config, bool only_best_test = false)
      : s_(settings),
        only_best_test_(only_best_test),
        config_(config),
        folder_(settings.out),
        device_(device_named(settings.device, device_note_)) {
    const bool used = folder_.has("config.toml") || !folder_.checkpoints().empty();
    if (s_.resume) {
      check<DataError>(folder_.has("config.toml"), "--resume: '", s_.out, "' holds no run");
      compare_options();
      return;
    }
    check<UsageError>(!used || s_.force, "'", s_.out,
                      "' holds a run already; --resume goes on with it, --force starts over");
    clears_ = used;
  }

  // The result, or nothing when the run was stopped before its end.
  std::optional<Result> operator()() {
    if (s_.resume && has_result()) return result_;
    Display display(progressing(s_.progress), s_.quiet);
    display.begin("reading " + s_.task + " from '" + s_.data + "'", "when the data is read");
    load_data();
    if (stop_signal != 0) throw Stopped();
    build();
    describe(display);
    if (s_.resume)
      resume(display);
    else if (!s_.init.empty())
      store_->load(safetensors::read(s_.init), {"optimizer."});
    batches_->next();  // what can fail before the first step has failed by now
    batches_->set_position(at_.position);
    if (clears_) folder_.clear();
    folder_.start_metrics(validation_is_due() ? at_.step - 1 : at_.step);
    train(display);
    if (at_.step == steps_) finish(display);
    if (result_) write_result(display);
    return result_;
  }

  // What could not be written though the run went on; empty: nothing.
  const std::string& write_error() const { return write_error_; }

 private:
  // The values of a configuration by the names of their options.
  static std::map<std::string, std::string> option_values(const std::string& config,
                                                          const std::string& file = "") {
    std::map<std::string, std::string> values;
    for (const ConfigEntry& e : parse_config(config, file)) values[e.key] = e.value;
    return values;
  }
  static bool same_value(const std::string& a, const std::string& b) {
    const auto number = [](const std::string& text) {
      char* end = nullptr;
      const double value = std::strtod(text.c_str(), &end);
      return text.empty() || *end != '\0' ? NAN : value;
    };
    return a == b || number(a) == number(b);
  }

  // Options that shape the result must be those the run was started with. One that the file lacks
  // had its default; only the number of steps may become another one.
  void compare_options() {
    Settings defaults;
    defaults.task = s_.task;
    defaults.recipe = s_.recipe;
    take_recipe(defaults);
    CLI::App known;
    add_options(known, defaults);
    std::map<std::string, std::string> then = option_values(config_text(known));
    for (const auto& [key, value] :
         option_values(folder_.read("config.toml"), folder_.file("config.toml"))) {
      check<UsageError>(known.get_option_no_throw("--" + key) != nullptr, "--resume: '",
                        folder_.file("config.toml"), "' sets '", key,
                        "', which this program does not know; a newer one started this run");
      then[key] = value;
    }
    std::map<std::string, std::string> now = option_values(config_);
    for (const auto& [key, value] : then) now.try_emplace(key);  // empty texts are left out
    std::string differences;
    for (const auto& [key, value] : now) {
      const bool shapes_nothing = key == "data" || key == "out" || key == "keep" ||
                                  key == "save-every" || key == "log-every";
      if (shapes_nothing || same_value(then[key], value)) continue;
      if (key == "steps" && s_.steps_given && s_.steps > 0) {
        other_steps_ = true;
        continue;
      }
      differences +=
          (differences.empty() ? "" : ", ") + ("--" + key) + " is " + value + ", was " + then[key];
    }
    check<UsageError>(differences.empty(), "--resume: '", s_.out,
                      "' was started with other options: ", differences);
  }

  static std::vector<Example> evenly_spread(const std::vector<Example>& examples, int64_t limit) {
    const size_t all = examples.size(), count = std::min(size_t(limit), all);
    std::vector<Example> chosen;
    for (size_t i = 0; i < count; ++i) chosen.push_back(examples[i * all / count]);
    return chosen;
  }

  void load_data() {
    data_ = load_task(s_);
    for (const auto& [name, examples] :
         {std::pair{"training", &data_.train}, {"validation", &data_.val}, {"test", &data_.test}})
      check<DataError>(!examples->empty(), s_.task, ": the ", name, " split in '", s_.data,
                       "' is empty");
    check<UsageError>(int64_t(data_.train.size()) >= s_.batch_size, "--batch-size: ", s_.batch_size,
                      " is more than the ", data_.train.size(), " training examples in '", s_.data,
                      "'");
    const int64_t all = all_test_examples_ = int64_t(data_.test.size());
    if (s_.eval_limit > 0) watched_ = evenly_spread(data_.val, s_.eval_limit);
    if (s_.test_limit > 0) data_.test = evenly_spread(data_.test, s_.test_limit);
    if (const int64_t left = int64_t(data_.test.size()); left < all)
      data_.note += (data_.note.empty() ? "" : "; ") + ("tested on " + std::to_string(left)) +
                    " of " + std::to_string(all) + " examples";
    memory::trim(Device::CPU);  // gives back what reading took
  }

  void build() {
    store_ = std::make_unique<Parameters>(
        s_.seed, s_.dtype == "float64" ? DType::Float64 : DType::Float32, device_);
    const TnnConfig config = model_config(s_, data_.vocab, data_.height, data_.width);
    if (data_.pairs)
      model_.emplace<TwoTowerClassifier>(store_->root(), config);
    else
      model_.emplace<TnnClassifier>(store_->root(), config);
    train_data_ = fingerprint(data_.train);
    val_data_ = fingerprint(data_.val);
    batches_.emplace(data_, &data_.train, s_.batch_size, s_.seed,
                     BatchOptions{.bucket_by_length = s_.bucket});
    if (s_.optimizer == "sgd")
      sgd_.emplace(*store_, SgdOptions{.momentum = 0.9, .weight_decay = s_.weight_decay});
    else
      adam_.emplace(*store_, AdamOptions{.weight_decay = s_.weight_decay,
                                         .decoupled = s_.optimizer == "adamw"});
    steps_ = s_.steps > 0 ? s_.steps : s_.epochs * batches_->batches_per_epoch();
    check<UsageError>(steps_ > 0, "--steps or --epochs must be positive");
    const auto every = [&](int64_t asked, int64_t share) {
      return asked > 0 ? asked : std::max<int64_t>(1, steps_ / share);
    };
    eval_every_ = every(s_.eval_every, steps_ < 40 ? 1 : 10);
    save_every_ = s_.save_every > 0 ? s_.save_every : eval_every_;
    evaluates_ = !s_.profile || s_.eval_every > 0 || only_best_test_;
    log_every_ = every(s_.log_every, 100);
    schedule_ = {schedule_named(s_.schedule), s_.warmup, s_.horizon > 0 ? s_.horizon : steps_};
    memory::reset_peak(device_);
  }

  void describe(Display& display) const {
    std::ostringstream text;
    text << s_.task << ", " << s_.mixer << ", recipe " << s_.recipe << ": "
         << store_->trained_count() << " parameters, " << data_.train.size()
         << " training examples, " << steps_ << " steps of " << s_.batch_size << "; " << s_.dtype
         << ", " << omp_get_max_threads() << " threads, " << blas::description()
         << (device_ == Device::CUDA ? ", on cuda" : "") << "; run folder " << s_.out;
    display.note(text.str());
    if (!device_note_.empty()) display.note(device_note_);
    if (!data_.note.empty()) display.note("note: " + data_.note);
    if (const int64_t cut = count_cut(data_.train); cut > 0)
      display.note("note: " + std::to_string(cut) + " of " + std::to_string(data_.train.size()) +
                   " training examples are longer than --max-length " +
                   std::to_string(s_.max_length) + " and are cut");
    if (steps_ < s_.warmup) {
      std::ostringstream note;
      note << "note: " << steps_ << " steps are less than the " << s_.warmup
           << " of --warmup: the learning rate only rises, to " << s_.lr * schedule_(steps_ - 1)
           << " of " << s_.lr;
      display.note(note.str());
    }
    if (!evaluates_)
      display.note(
          "note: with --profile nothing is validated or tested, unless --eval-every is given");
  }

  Variable logits_of(const Batch& batch) const {
    const Tensor input = batch.input.to(device_), lengths = batch.lengths.to(device_);
    if (data_.pairs) return std::get<TwoTowerClassifier>(model_)(input, lengths);
    return std::get<TnnClassifier>(model_)(input, lengths);
  }

  Variable loss_of(const Variable& logits, const Batch& batch) const {
    return cross_entropy(logits, batch.labels.to(device_));
  }

  // ---- checkpoints ----

  struct State {
    std::vector<safetensors::Entry> tensors;
    std::map<std::string, std::string> metadata;
  };
  State state() const {
    State now{store_->values(), to_metadata(at_)};
    for (const safetensors::Entry& e : adam_ ? adam_->state() : sgd_->state())
      now.tensors.push_back(e);
    now.metadata["train_data"] = train_data_;
    now.metadata["val_data"] = val_data_;
    return now;
  }
  void write(const std::string& name, const State& state) const {
    safetensors::write(folder_.file(name), state.tensors, state.metadata);
  }
  // The best weights go first: a checkpoint that is there never speaks of others than
  // best.safetensors.
  void save_checkpoint(Display& display) {
    if (unsaved_best_) write("best.safetensors", *unsaved_best_);
    unsaved_best_.reset();
    write(RunFolder::checkpoint_name(at_.step), state());
    write_or_warn(display, [&] { folder_.remove_old_checkpoints(s_.keep); });
  }
  // When a file cannot be written now, the next save may succeed, and nothing is lost.
  template <class Save>
  static bool saved(Display& display, const Save& save) {
    try {
      save();
      return true;
    } catch (const IoError& e) {
      display.warn(e.what() + std::string("; the run goes on, and tries again at the next save"));
      return false;
    }
  }
  void save_best(Display& display) {
    unsaved_best_.reset();
    if (saved(display, [&] { write("best.safetensors", state()); })) return;
    unsaved_best_ = state();
    for (safetensors::Entry& e : unsaved_best_->tensors) e.tensor = e.tensor.clone();
  }
  // For what the run can do without: told once, and exit code 5 at the end.
  template <class Write>
  void write_or_warn(Display& display, const Write& write) {
    try {
      write();
    } catch (const IoError& e) {
      if (write_error_.empty()) display.warn(e.what() + std::string("; the run goes on"));
      write_error_ = e.what();
    }
  }

  void load(const std::string& name) { load(safetensors::read(folder_.file(name))); }
  void load(const safetensors::File& file) {
    const Progress progress = to_progress(file);
    store_->load(file, {"optimizer."});
    adam_ ? adam_->load(file) : sgd_->load(file);
    at_ = progress;
  }

  // The newest checkpoint that is whole. Newer ones that are damaged get another name in the end.
  void resume(Display& display) {
    const std::vector<std::string> names = folder_.checkpoints();
    check<DataError>(!names.empty(), "--resume: '", s_.out, "' holds no checkpoint");
    std::vector<std::pair<std::string, std::string>> damaged;  // name, what is wrong
    std::optional<safetensors::File> file;
    for (auto name = names.rbegin(); name != names.rend() && !file; ++name) {
      check<DataError>(std::ifstream(folder_.file(*name)).good(), "--resume: cannot open '",
                       folder_.file(*name), "': ", std::strerror(errno));
      try {
        file = safetensors::read(folder_.file(*name));
      } catch (const DataError& e) {
        damaged.emplace_back(*name, e.what());
      }
    }
    check<DataError>(file.has_value(), "--resume: no checkpoint is whole: ",
                     damaged.empty() ? "" : damaged.front().second);
    check_same_data(*file, display);
    load(*file);
    check<UsageError>(at_.step < steps_ || (at_.step == steps_ && !other_steps_),
                      "--steps: the run in '", s_.out, "' has taken ", at_.step,
                      " steps already, got ", steps_);
    for (const auto& [name, reason] : damaged)
      display.warn(reason + "; kept as " + folder_.set_aside(name) + ", and the steps since step " +
                   std::to_string(at_.step) + " are taken again");
    batches_->set_position(at_.position);
    display.note("resumed at step " + std::to_string(at_.step));
    if (other_steps_)
      display.note("note: the run has " + std::to_string(steps_) +
                   " steps now; from here on its learning rate, and "
                   "what comes every so many steps, are those of a run of this length");
    peak_ = read_peak();
    keep_best(display);
  }

  void check_same_data(const safetensors::File& file, Display& display) const {
    const auto then = [&](const char* key) {
      const auto at = file.metadata.find(key);
      return at == file.metadata.end() ? "" : at->second;
    };
    if (then("train_data").empty()) {
      display.note(
          "note: the checkpoint does not name the data it was trained on; that it is the same is "
          "not checked");
      return;
    }
    for (const auto& [split, key, now] : {std::tuple{"training", "train_data", &train_data_},
                                          {"validation", "val_data", &val_data_}})
      check<DataError>(then(key) == *now, "--resume: '", s_.out,
                       "' was started on other data: the ", split, " split in '", s_.data, "' has ",
                       *now, "; it had ", then(key));
  }

  // Without best.safetensors the best is chosen among the validations that are left, this step's
  // too.
  void keep_best(Display& display) {
    if (at_.best_step == 0) return;
    try {
      safetensors::read(folder_.file("best.safetensors"));
      return;
    } catch (const DataError& e) {
      display.warn(
          e.what() +
          std::string("; the best weights so far are lost, and are chosen anew from this step on"));
    }
    if (folder_.has("best.safetensors")) folder_.set_aside("best.safetensors");
    at_.best_accuracy = -1;
    at_.best_step = 0;
    MetricsRow unused;
    if (at_.validated == at_.step && !validate(unused, display)) throw Stopped();
  }

  // ---- result.json ----

  // What is not in a checkpoint because equal runs need not agree on it, and the result.
  struct Peak {
    double tensors = 0, resident = 0;  // bytes
  };
  Peak peak() const {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return {std::max(peak_.tensors, double(memory::stats(device_).peak)),
            std::max(peak_.resident, double(usage.ru_maxrss) * 1024)};
  }
  void write_result(Display& display) {
    nlohmann::ordered_json json;
    if (result_ && result_->evaluated) {
      for_each_field(*result_, [&](const char* name, const auto& value) { json[name] = value; });
      json["only_best_test"] = only_best_test_;
    } else {
      json["peak_tensor_bytes"] = peak().tensors;
      json["peak_resident_bytes"] = peak().resident;
    }
    write_or_warn(display, [&] { folder_.write("result.json", json.dump(1) + "\n"); });
  }
  // No exceptions: a file that cannot be used is written again at the end.
  nlohmann::json read_json() const {
    if (!folder_.has("result.json")) return {};
    const nlohmann::json json = nlohmann::json::parse(folder_.read("result.json"), nullptr, false);
    return json.is_object() ? json : nlohmann::json();
  }
  Peak read_peak() const {
    const nlohmann::json json = read_json();
    const auto number = [&](const char* name) {
      return json.contains(name) && json[name].is_number() ? json[name].get<double>() : 0;
    };
    return {number("peak_tensor_bytes"), number("peak_resident_bytes")};
  }
  // Whether the run had finished; then this is its result, and nothing is computed again.
  bool has_result() {
    const nlohmann::json json = read_json();
    Result result;
    try {
      if (other_steps_ || s_.profile || json.at("only_best_test").get<bool>() > only_best_test_)
        return false;
      for_each_field(result, [&](const char* name, auto& value) {
        if constexpr (std::is_same_v<decltype(value), double&>)
          if (json.at(name).is_null()) return void(value = NAN);
        json.at(name).get_to(value);
      });
    } catch (const nlohmann::json::exception&) {
      return false;
    }
    result.folder = s_.out;
    result_ = result;
    Display(progressing(s_.progress), s_.quiet)
        .note("'" + s_.out + "' holds a finished run; this is its result");
    return true;
  }

  // ---- the loop ----

  bool validates_here() const {
    return evaluates_ && (at_.step % eval_every_ == 0 || at_.step == steps_);
  }
  // Whether the run was stopped between a step and its validation.
  bool validation_is_due() const {
    return at_.step > 0 && validates_here() && at_.validated < at_.step && !other_steps_;
  }

  void train(Display& display) {
    const bool due = validation_is_due();
    if (at_.step < steps_) write_result(display);  // that of fewer steps does not count any more
    folder_.write("config.toml", config_);
    first_ = at_.step;
    seconds_before_ = folder_.rows().empty() ? 0 : folder_.rows().back().seconds;
    for (const std::string& note : folder_.take_notes()) display.note("note: " + note);
    start_ = Clock::now();
    evaluation_seconds_ = 0;
    evaluated_ = 0;
    for (bool again = due; again || at_.step < steps_; again = false) {
      if (!again)
        display.begin("step " + std::to_string(at_.step + 1) + "/" + std::to_string(steps_),
                      "after this step",
                      /*aside=*/true);
      MetricsRow row = again ? row_of_step() : one_step(display);
      const bool last = at_.step == steps_;
      const bool logs = at_.step % log_every_ == 0 || last;
      const bool evaluates = validates_here();
      const bool saves = at_.step % save_every_ == 0 || last;
      const Progress before = at_;
      row.seconds = seconds_so_far();
      row.tokens_per_second = tokens_per_second();
      const Clock::time_point pause = Clock::now();
      if (evaluates && saves)
        saved(display, [&] { save_checkpoint(display); });  // a validation may take long
      if (logs) take_sums(row);
      show(row, logs, evaluates, display);
      const bool interrupted = evaluates && !validate(row, display);
      if (interrupted || (last && !evaluates_))
        at_ = before;  // --resume begins with this validation
      else if (!evaluates_)
        at_.validated = at_.step;  // left out for good
      if (!logs)
        row.train_loss = row.train_accuracy = row.gradient_norm =
            NAN;  // means belong to logged rows
      if (!interrupted && (logs || evaluates))
        write_or_warn(display, [&] { folder_.add_row(row); });
      const bool stops = stop_signal != 0 || at_.step == s_.stop_at;
      if (stops || last)
        save_checkpoint(display);
      else if (saves)
        saved(display, [&] { save_checkpoint(display); });
      if (evaluates || stops || last) write_or_warn(display, [&] { write_curves(); });
      not_training_ += seconds_since(pause);
      if (stops || last) write_result(display);
      if (stops && (!last || interrupted)) {
        stopped(display);
        break;
      }
    }
    train_seconds_ = seconds_so_far();
    tokens_per_second_ = tokens_per_second();
  }

  double seconds_so_far() const { return seconds_before_ + seconds_since(start_) - not_training_; }
  double tokens_per_second() const {
    if (at_.step > first_) return double(tokens_) / (seconds_since(start_) - not_training_);
    return folder_.rows().empty() ? 0 : folder_.rows().back().tokens_per_second;
  }

  // Everything is saved.
  void stopped(Display& display) const {
    display.note("stopped at step " + std::to_string(at_.step) + ", saved; --resume goes on");
    if (stop_signal != 0) throw Stopped();
  }

  void show(const MetricsRow& row, bool logs, bool evaluates, Display& display) const {
    char text[200];
    std::snprintf(
        text, sizeof text,
        "step %lld/%lld  %s left  loss %.4f  acc %5.1f %%  lr %.2e  |g| %.3f  %s tokens/s",
        (long long)row.step, (long long)steps_, Display::clock(seconds_left(evaluates)).c_str(),
        row.train_loss, 100 * row.train_accuracy, row.lr, row.gradient_norm,
        Display::thousands(row.tokens_per_second).c_str());
    display.row(text, logs);
  }

  // Of steps, and, as soon as one was timed, of evaluations.
  double seconds_left(bool evaluates) const {
    const int64_t done = at_.step - first_, left = steps_ - at_.step;
    const double steps =
        done > 0 ? (seconds_since(start_) - evaluation_seconds_) / double(done) * double(left) : 0;
    if (!evaluates_ || evaluated_ == 0) return steps;
    const int64_t later =
        left == 0 ? 0 : steps_ / eval_every_ - at_.step / eval_every_ + (steps_ % eval_every_ != 0);
    const int64_t validations = later + evaluates;
    const int64_t tests = test_is_validation() ? 0
                          : only_best_test_    ? 1
                                               : 2;  // best and last weights
    const double examples =
        double(validations) * double(watched().size()) + double(tests) * double(data_.test.size());
    return steps + examples * evaluation_seconds_ / double(evaluated_);
  }

  void write_curves() const {
    folder_.write_curves(s_.task + ", " + s_.mixer, majority_rate(data_.val));
    if (s_.profile) folder_.write("profile.csv", profile_csv(profile_));
  }

  // What one_step() says of a step, without the means.
  MetricsRow row_of_step() const {
    MetricsRow row;
    row.step = at_.step;
    row.epoch = double(at_.position) / double(batches_->batches_per_epoch());
    row.lr = s_.lr * schedule_(at_.step - 1);
    return row;
  }

  MetricsRow one_step(Display& display) {
    std::optional<Profile::Step> measuring;
    if (s_.profile) measuring.emplace(profile_);
    const Batch batch = measured("make batch", [&] { return batches_->next(); });
    const double lr = s_.lr * schedule_(at_.step);
    store_->set_training(true);
    store_->set_step(uint64_t(at_.step));
    store_->zero_grad();
    double loss = 0, norm = 0;
    int64_t correct = 0;
    {
      Tape tape;
      const Variable logits = logits_of(batch);
      const Variable l = loss_of(logits, batch);
      loss = item(l);
      correct = judge(logits.value(), batch.labels).correct;
      if (std::isfinite(loss)) tape.backward(l);
    }
    if (std::isfinite(loss))
      norm = measured("gradient norm", [&] { return gradient_norm(*store_); });
    if (!std::isfinite(loss) || !std::isfinite(norm)) explain_non_finite(batch, loss, display);
    const double factor = clip_factor(norm, s_.clip);
    measured("optimizer", [&] { adam_ ? adam_->step(lr, factor) : sgd_->step(lr, factor); });

    ++at_.step;
    at_.position = batches_->position();
    at_.loss_sum += loss;
    at_.norm_sum += norm;
    at_.correct += correct;
    at_.seen += batch.size();
    ++at_.summed;
    tokens_ += batch.input.size();
    MetricsRow row = row_of_step();
    row.train_loss = loss;
    row.train_accuracy = double(at_.correct) / double(at_.seen);
    row.gradient_norm = norm;
    return row;
  }

  // Means since the last row instead of the last step's values.
  void take_sums(MetricsRow& row) {
    row.train_loss = at_.loss_sum / double(at_.summed);
    row.train_accuracy = double(at_.correct) / double(at_.seen);
    row.gradient_norm = at_.norm_sum / double(at_.summed);
    at_.loss_sum = at_.norm_sum = 0;
    at_.correct = at_.seen = at_.summed = 0;
  }

  // The step once more, with every result checked: the first bad one is named. Nothing of this step
  // has reached a parameter or a file.
  [[noreturn]] void explain_non_finite(const Batch& batch, double loss, Display& display) {
    std::string culprit = "the gradient norm overflowed";
    for (const Parameter& p : store_->all())
      if (!all_finite(p.variable.value())) culprit = "parameter " + p.name + " is not finite";
    try {
      store_->zero_grad();
      Tape tape;
      tape.check_finite();
      tape.backward(loss_of(logits_of(batch), batch));
    } catch (const NumericalError& e) {
      culprit = e.what();
    }
    const std::vector<std::string> saved = folder_.checkpoints();
    std::ostringstream text;
    text << "step " << at_.step + 1 << ": the " << (std::isfinite(loss) ? "gradient" : "loss")
         << " is not finite. " << culprit << ". "
         << (saved.empty() ? "No checkpoint was saved yet"
                           : "The last good checkpoint is " + folder_.file(saved.back()))
         << "; a smaller --lr, a longer --warmup or --clip may help";
    display.note("");
    throw NumericalError(text.str());
  }

  const std::vector<Example>& watched() const { return watched_.empty() ? data_.val : watched_; }
  // Then the scores of validation are those of the test, and nothing has to be computed twice.
  bool test_is_validation() const {
    return data_.val_is_test && watched_.empty() &&
           int64_t(data_.test.size()) == all_test_examples_;
  }

  // `doing`: "testing". Nothing when a signal stopped it.
  std::optional<Score> evaluate(const std::vector<Example>& examples, const std::string& doing,
                                Display& display) {
    const std::string count = std::to_string(examples.size());
    display.begin(doing + " on " + count + " examples", "after this batch");
    store_->set_training(false);
    const EvaluationBatches batches(data_, &examples, s_.batch_size);
    const Clock::time_point start = Clock::now();
    double loss = 0;
    Verdicts all;
    int64_t done = 0;
    for (int64_t i = 0; i < batches.count(); ++i) {
      if (stop_signal != 0) return std::nullopt;
      const Batch batch = batches[i];
      const Variable logits = logits_of(batch);
      loss += item(loss_of(logits, batch)) * double(batch.size());
      const Verdicts verdicts = judge(logits.value(), batch.labels);
      all.correct += verdicts.correct;
      all.not_finite += verdicts.not_finite;
      done += batch.size();
      const double left =
          seconds_since(start) / double(done) * double(int64_t(examples.size()) - done);
      display.show(doing + ": " + std::to_string(done) + " of " + count + " examples, " +
                   Display::clock(left) + " left");
    }
    evaluation_seconds_ += seconds_since(start);
    evaluated_ += done;
    return Score{loss / double(examples.size()), double(all.correct) / double(examples.size()),
                 all.not_finite};
  }

  // False when a signal stopped it.
  bool validate(MetricsRow& row, Display& display) {
    const std::optional<Score> result = evaluate(watched(), "validating", display);
    if (!result) return false;
    const Score score = *result;
    at_.validated = at_.step;
    row.val_loss = score.loss;
    row.val_accuracy = score.accuracy;
    char text[120];
    std::snprintf(text, sizeof text, "step %lld: validation loss %.4f, accuracy %.1f %%",
                  (long long)at_.step, std::isnan(score.loss) ? NAN : score.loss,
                  100 * score.accuracy);
    display.note(text + (score.not_finite == 0 ? "" : "; " + score.remark()));
    if (score.accuracy <= at_.best_accuracy) return true;
    at_.best_accuracy = score.accuracy;
    at_.best_step = at_.step;
    save_best(display);
    return true;
  }

  // ---- the result ----

  const MetricsRow& row_of(int64_t step) const {
    static const MetricsRow nothing;
    for (const MetricsRow& row : folder_.rows())
      if (row.step == step) return row;
    return nothing;
  }

  // The last checkpoint is saved by now: a signal stops at once, and --resume comes back here.
  Score test(const std::string& weights, int64_t step, Display& display) {
    if (test_is_validation()) return {row_of(step).val_loss, row_of(step).val_accuracy};
    const std::optional<Score> score =
        evaluate(data_.test, "testing the " + weights + " weights", display);
    if (!score) stopped(display);
    return *score;
  }

  void finish(Display& display) {
    const Progress end = at_;
    const MetricsRow &last_row = row_of(end.step), &best_row = row_of(end.best_step);
    Score last{NAN, NAN}, best{NAN, NAN};
    if (evaluates_) {
      const bool last_is_best = end.best_step == end.step;
      if (last_is_best || !only_best_test_) best = last = test("last", end.step, display);
      if (!last_is_best) {
        load("best.safetensors");
        best = test("best", end.best_step, display);
      }
      if (best.not_finite > 0) display.note("note: test: " + best.remark());
    }
    result_ = {.task = s_.task,
               .mixer = s_.mixer,
               .recipe = s_.recipe,
               .folder = s_.out,
               .seed = s_.seed,
               .parameters = store_->trained_count(),
               .steps = end.step,
               .best_step = end.best_step,
               .best_val = evaluates_ ? end.best_accuracy : NAN,
               .best_test = best.accuracy,
               .last_val = last_row.val_accuracy,
               .last_test = last.accuracy,
               .train_loss = last_row.train_loss,
               .best_val_loss = best_row.val_loss,
               .last_val_loss = last_row.val_loss,
               .best_test_loss = best.loss,
               .last_test_loss = last.loss,
               .majority_val = majority_rate(watched()),
               .majority_test = majority_rate(data_.test),
               .val_examples = evaluates_ ? int64_t(watched().size()) : 0,
               .all_val_examples = int64_t(data_.val.size()),
               .test_examples = evaluates_ ? int64_t(data_.test.size()) : 0,
               .all_test_examples = all_test_examples_,
               .threads = omp_get_max_threads(),
               .seconds = train_seconds_,
               .tokens_per_second = tokens_per_second_,
               .tensor_bytes = peak().tensors,
               .resident_bytes = peak().resident,
               .profile = s_.profile ? profile_table(profile_) : "",
               .evaluated = evaluates_};
  }

  Settings s_;
  bool only_best_test_;
  std::string config_;
  RunFolder folder_;
  std::string device_note_;  // why the CPU was taken
  Device device_;
  bool clears_ = false;       // --force, and there is something to clear
  bool other_steps_ = false;  // --resume with another number of steps
  TaskData data_;
  std::string train_data_, val_data_;  // their fingerprints
  std::vector<Example>
      watched_;  // what --eval-limit leaves of validation, evenly spread; empty: all
  std::unique_ptr<Parameters> store_;
  std::variant<std::monostate, TnnClassifier, TwoTowerClassifier> model_;
  std::optional<Batches> batches_;
  std::optional<Adam> adam_;
  std::optional<Sgd> sgd_;
  Schedule schedule_;
  Progress at_;
  int64_t steps_ = 0, eval_every_ = 0, save_every_ = 0, log_every_ = 0, tokens_ = 0;
  int64_t all_test_examples_ = 0;  // before --test-limit
  bool evaluates_ = true;
  int64_t first_ = 0;          // the step this program began at
  double seconds_before_ = 0;  // of training, before it began
  Clock::time_point start_;
  double not_training_ = 0;  // seconds of validation and saving
  double evaluation_seconds_ = 0;
  int64_t evaluated_ = 0;  // examples in these seconds
  double train_seconds_ = 0, tokens_per_second_ = 0;
  Profile profile_;
  Peak peak_;  // of memory, before this program resumed the run
  std::optional<State> unsaved_best_;
  std::string write_error_;
  std::optional<Result> result_;
};

// ---- every task and mixer ----

// Speed against accuracy, area = memory: the figure this field knows.
std::string bubble_chart(const std::vector<Result>& results) {
  const std::vector<std::string>& mixers = mixer_names();
  std::vector<plot::Bubble> bubbles;
  for (const Result& r : results)
    bubbles.push_back({r.task, r.tokens_per_second / 1000, r.best_test, r.tensor_bytes,
                       int(std::find(mixers.begin(), mixers.end(), r.mixer) - mixers.begin())});
  return plot::bubbles("test accuracy against speed; area: peak memory of tensors",
                       "thousand tokens/s (log)", bubbles, mixers);
}

std::string results_csv(const std::vector<Result>& results) {
  std::ostringstream out;
  out << "task,mixer,recipe,seed,test_accuracy,majority_rate,parameters,tokens_per_second,"
         "peak_tensor_bytes,seconds\n";
  for (const Result& r : results)
    out << r.task << ',' << r.mixer << ',' << r.recipe << ',' << r.seed << ',' << r.best_test << ','
        << r.majority_test << ',' << r.parameters << ',' << r.tokens_per_second << ','
        << int64_t(r.tensor_bytes) << ',' << r.seconds << '\n';
  return out.str();
}

// The settings of one run, as if they had been given on the command line.
std::string config_of(Settings s) {
  CLI::App app;
  add_options(app, s);
  return config_text(app);
}

// "all", or names with commas between them.
std::vector<TaskShape> several_tasks(const std::string& text) {
  if (text == "all") return task_shapes();
  std::vector<TaskShape> tasks;
  std::istringstream names(text);
  for (std::string name; std::getline(names, name, ',');) tasks.push_back(task_shape(name));
  return tasks;
}

struct GivenNumbers {
  std::optional<int64_t> steps, eval_limit, test_limit;
};
// Every task with every mixer; numbers that are given replace those of the recipes.
int run_several(const Settings& asked, const GivenNumbers& given) {
  const std::string folder = asked.out.empty() ? "runs/" + asked.task + "-" + asked.recipe + "-" +
                                                     std::to_string(asked.seed)
                                               : asked.out;
  const RunFolder group(folder);
  std::vector<Result> results;
  std::FILE* const table = asked.json ? stderr : stdout;
  int worst = 0;  // exit code of the runs that went wrong
  std::fprintf(table, "%-14s %-10s %9s %9s %11s %10s %10s %8s\n", "task", "mixer", "test",
               "majority", "parameters", "tokens/s", "tensors", "time");
  for (const TaskShape& task : several_tasks(asked.task)) {
    if (!has_data(task.name, asked.data)) {
      std::fprintf(table, "%-14s no data in '%s'; 'lra_data check' says where to get it\n",
                   task.name, asked.data.c_str());
      continue;
    }
    for (const std::string& mixer : mixer_names()) {
      Settings s = asked;
      s.task = task.name;
      s.mixer = mixer;
      take_recipe(s);
      s.steps = given.steps.value_or(s.steps);
      s.steps_given = given.steps.has_value();
      s.eval_limit = given.eval_limit.value_or(s.eval_limit);
      s.test_limit = given.test_limit.value_or(s.test_limit);
      s.out = folder + "/" + task.name + "-" + mixer;
      if (mixer == "attention" &&
          s.max_length > 8192) {  // 16384^2 scores of 4 heads: 4 GB a layer and pair
        std::fprintf(table, "%-14s %-10s left out: attention over %lld positions\n", task.name,
                     mixer.c_str(), (long long)s.max_length);
        continue;
      }
      s.resume = asked.resume && !RunFolder(s.out).checkpoints().empty();
      s.force = asked.force || (asked.resume && !s.resume);
      Run run(s, config_of(s), /*only_best_test=*/true);
      std::optional<Result> r;
      try {
        r = run();
        if (!run.write_error().empty()) worst = std::max(worst, IoError("").exit_code());
      } catch (const Stopped&) {
        throw;
      } catch (const std::exception& e) {  // the other runs need not suffer
        const Error* error = dynamic_cast<const Error*>(&e);
        worst = std::max(worst, error ? error->exit_code() : 1);
        std::fprintf(table, "%-14s %-10s failed: %s\n", task.name, mixer.c_str(), e.what());
        std::fflush(table);
      }
      if (!r) continue;
      results.push_back(*r);
      std::fprintf(table, "%-14s %-10s %7.1f %% %7.1f %% %11lld %10s %7.0f MB %8s\n",
                   r->task.c_str(), r->mixer.c_str(), 100 * r->best_test, 100 * r->majority_test,
                   (long long)r->parameters, Display::thousands(r->tokens_per_second).c_str(),
                   r->tensor_bytes / 1e6, Display::clock(r->seconds).c_str());
      std::fflush(table);
      group.write("results.csv", results_csv(results));
      group.write("results.svg", bubble_chart(results));
    }
  }
  check<DataError>(!results.empty() || worst != 0, "--task ", asked.task,
                   ": no run reached its end; is there data in '", asked.data, "'?");
  if (asked.json) {
    nlohmann::ordered_json runs = nlohmann::ordered_json::array();
    for (const Result& r : results) runs.push_back(to_json(r));
    print_json(runs);
  }
  if (!results.empty())
    std::fprintf(table, "table: %s/results.csv, chart: %s/results.svg\n", folder.c_str(),
                 folder.c_str());
  if (worst != 0) std::fprintf(table, "--resume tries again what went wrong\n");
  return worst;
}

// --task and --recipe decide the defaults, so they are looked for before the rest is read. Returns
// the entries of the configuration file.
std::vector<ConfigEntry> choose_recipe(int argc, char** argv, Settings& s) {
  CLI::App first("", "train_lra");
  first.set_help_flag();
  first.allow_extras();
  add_choice_options(first, s);
  try {
    first.parse(argc, argv);
  } catch (const CLI::ParseError&) {
    return {};  // the second reading finds it too, and says so
  }
  const std::vector<ConfigEntry> entries =
      s.config.empty() ? std::vector<ConfigEntry>() : read_config(s.config);
  for (const ConfigEntry& e : entries) {
    if (e.key == "task" && first.count("--task") == 0) s.task = e.value;
    if (e.key == "recipe" && first.count("--recipe") == 0) s.recipe = e.value;
  }
  if (is_several(s.task)) {
    const std::string tasks = s.task;  // each takes its own recipe; these numbers only fill --help
    s.task = several_tasks(tasks).front().name;
    take_recipe(s);
    s.task = tasks;
  } else {
    take_recipe(s);
  }
  return entries;
}

void choose_places(Settings& s) {
  if (s.data.empty()) {
    const char* own = std::getenv("SKIFF_DATA");
    const char* usual = std::getenv("DATA_PATH");
    s.data = own ? own : usual ? usual : "data";
  }
  if (s.out.empty() && !is_several(s.task))
    s.out = "runs/" + s.task + "-" + s.recipe + "-" + s.mixer + "-" + std::to_string(s.seed);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Trains a Toeplitz model on a task of the Long Range Arena.", "train_lra");
  std::set<std::string> in_file;  // options
  try {
    const std::vector<ConfigEntry> entries = choose_recipe(argc, argv, settings);
    add_options(app, settings);
    apply_config(app, entries);
    for (const ConfigEntry& e : entries) in_file.insert("--" + e.key);
  } catch (const Error& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return e.exit_code();
  }
  app.footer(
      "Examples:\n"
      "  train_lra --task listops --mixer fd --data data\n"
      "  train_lra --task all --recipe tiny --data data\n"
      "  train_lra --config runs/listops-tiny-ski-1/config.toml --resume\n"
      "Exit codes: 0 done, 2 wrong option, 3 bad data or checkpoint, 4 not a number, 5 cannot "
      "write,\n"
      "128 + its number: stopped by a signal after saving (130, 143; 129 for a closed terminal).");
  return run_program(argc, argv, app, [&] {
    if (settings.list) {
      print_recipes();
      return 0;
    }
    choose_places(settings);
    for (const auto& [name, value] :
         {std::pair{"--data", &settings.data}, {"--out", &settings.out}}) {
      app.get_option(name)->clear();  // the file names the folders that are used
      app.get_option(name)->add_result(*value);
    }
    const std::string config = config_text(app);
    if (settings.print_config) {
      std::fputs(config.c_str(), stdout);
      return 0;
    }
    if (settings.threads > 0) omp_set_num_threads(settings.threads);
    if (const auto notes = options_without_effect(settings, given_options(app)); !settings.quiet)
      for (const std::string& note : notes) std::fprintf(stderr, "note: %s\n", note.c_str());
    catch_stop_signals();
    if (is_several(settings.task)) {
      const auto is_given = [&](const std::string& name) {
        return app.count(name) > 0 || in_file.count(name) > 0;
      };
      for (const CLI::Option* option : app.get_options()) {
        const std::string group = option->get_group(), name = option->get_name();
        check<UsageError>(
            !is_given(name) || name == "--steps" || (group != "Model" && group != "Training"), name,
            ": several tasks take the '", settings.recipe,
            "' recipe of each; of its numbers only --steps, --eval-limit and --test-limit can be "
            "given");
      }
      const auto given = [&](const char* name, int64_t value) {
        return is_given(name) ? std::optional(value) : std::nullopt;
      };
      return run_several(
          settings, {given("--steps", settings.steps), given("--eval-limit", settings.eval_limit),
                     given("--test-limit", settings.test_limit)});
    }
    settings.steps_given = app.get_option("--steps")->count() > 0;
    Run run(settings, config);
    const std::optional<Result> result = run();
    if (result && settings.json)
      print_json(to_json(*result));
    else if (result)  // else stopped where --stop-at said
      print_table(*result, settings.out + "/curves.svg");
    check<IoError>(run.write_error().empty(),
                   "the run has ended, but not everything was written: ", run.write_error());
    return 0;
  });
}
