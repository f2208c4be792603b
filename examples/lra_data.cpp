// lra_data: makes and checks the data of the Long Range Arena tasks.
//
//   lra_data generate listops --out data/listops     about 100,000 expressions
//   lra_data check data                              every row of every task found there
//   lra_data show text data                          a few examples as the model sees them
//
// A task is a row of kTasks (check, show) and, where we can make its data, an add_generate_<task>.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <CLI/CLI.hpp>

#include "data/contact_sheet.h"
#include "data/files/binary_file.h"
#include "data/pathfinder/generator.h"
#include "data/tasks/fashion.h"
#include "data/tasks/image.h"
#include "data/tasks/listops.h"
#include "data/tasks/pathfinder.h"
#include "data/tasks/retrieval.h"
#include "data/tasks/text.h"
#include "data/files/text_file.h"
#include "examples/train/program.h"

using namespace skiff;

namespace {

struct Task {
  const char* name;
  TaskReport (*check_files)(const std::string& folder);
  TaskData (*load)(const std::string& folder);
  const char* between;         // what stands between two tokens in print
  const char* origin;          // what to do when it is missing
  const char* elsewhere = "";  // where load() looks, too
};
constexpr Task kTasks[] = {
    {"listops", listops::check_files, [](const std::string& dir) { return listops::load(dir); },
     " ",
     "'lra_data generate listops --out DIR' writes it; the original is the folder listops-1000 of "
     "lra_release.gz"},
    {"text", text::check_files, [](const std::string& dir) { return text::load(dir); }, "",
     "put https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz there, as it is"},
    {"retrieval", retrieval::check_files,
     [](const std::string& dir) { return retrieval::load(dir); }, "",
     "it is the folder tsv_data of lra_release.gz, which can be put there as it is"},
    {"image", image::check_files, [](const std::string& dir) { return image::load(dir); }, "",
     "put cifar-10-binary.tar.gz or cifar-10-python.tar.gz there, as it is"},
    {"pathfinder32", pathfinder::check_files_32,
     [](const std::string& dir) { return pathfinder::load(dir, 32); }, "",
     "'lra_data generate pathfinder --out DIR' writes it; the original is in lra_release.gz"},
    {"pathx", pathfinder::check_files_pathx,
     [](const std::string& dir) { return pathfinder::load(dir, 128); }, "",
     "'lra_data generate pathfinder --size 128 --out DIR' writes it; the original is in "
     "lra_release.gz"},
    {"fashion", fashion::check_files, [](const std::string& dir) { return fashion::load(dir); }, "",
     "Debian's package dataset-fashion-mnist has it; train_lra finds it without a folder",
     fashion::kSystemFolder},
};

// Progress on stderr: one line that is rewritten on a terminal, else a line for every tenth.
class Progress {
 public:
  explicit Progress(const char* what) : what_(what), begin_(Clock::now()) {
    const char* terminal = std::getenv("TERM");
    rewrite_ = ::isatty(2) && terminal && std::string_view(terminal) != "dumb";
  }
  ~Progress() {
    if (open_line_) std::fprintf(stderr, "\n");
  }
  void operator()(int64_t done, int64_t total) {
    const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
    const int64_t tenth = done * 10 / total;
    if (rewrite_ ? seconds - shown_at_ < 0.1 && done < total : tenth == shown_tenth_) return;
    shown_at_ = seconds;
    shown_tenth_ = tenth;
    open_line_ = rewrite_ && done < total;
    std::fprintf(stderr, "%s%s: %lld of %lld (%.0f %%), %.0f per second%s", rewrite_ ? "\r" : "",
                 what_, (long long)done, (long long)total, 100.0 * double(done) / double(total),
                 double(done) / std::max(seconds, 1e-9), open_line_ ? "   " : "\n");
  }

 private:
  using Clock = std::chrono::steady_clock;
  const char* what_;
  Clock::time_point begin_;
  bool rewrite_ = false, open_line_ = false;
  double shown_at_ = -1;
  int64_t shown_tenth_ = 0;
};

// ---- generate

struct GenerateListops {
  std::string out;
  uint64_t seed = 1;
  listops::Counts counts;
  listops::Limits limits;
  bool force = false;
};

int generate_listops(const GenerateListops& settings) {
  catch_stop_signals();  // no half-written file stays behind
  Progress progress("listops");
  const auto step = [&](int64_t done, int64_t total) {
    if (stop_signal != 0) throw Stopped();
    progress(done, total);
  };
  const listops::Generated result = listops::generate(settings.out, settings.seed, settings.counts,
                                                      settings.limits, settings.force, step);
  std::printf("listops: wrote %lld train, %lld val and %lld test examples to %s\n",
              (long long)settings.counts.train, (long long)settings.counts.val,
              (long long)settings.counts.test, settings.out.c_str());
  std::printf("mean length %.1f tokens; %.2f %% of %lld drawn trees taken\n", result.mean_length,
              100.0 * double(result.accepted) / double(result.attempts),
              (long long)result.attempts);
  return 0;
}

// Parsing the subcommand sets `chosen`, what the program is to do.
void add_generate_listops(CLI::App& generate, GenerateListops& settings,
                          std::function<int()>& chosen) {
  CLI::App* app = generate.add_subcommand("listops", "Nested MIN, MAX, median and sum modulo 10");
  app->add_option("--out", settings.out, "Folder for basic_{train,val,test}.tsv")->required();
  app->add_option("--seed", settings.seed, "Random seed")
      ->check(not_negative())
      ->capture_default_str();
  app->add_option("--train", settings.counts.train, "Training examples")->capture_default_str();
  app->add_option("--val", settings.counts.val, "Validation examples")->capture_default_str();
  app->add_option("--test", settings.counts.test, "Test examples")->capture_default_str();
  app->add_option("--min-length", settings.limits.min_length, "Expressions have more tokens")
      ->capture_default_str();
  app->add_option("--max-length", settings.limits.max_length, "Expressions have less tokens")
      ->capture_default_str();
  app->add_option("--max-depth", settings.limits.max_depth, "Levels of a tree")
      ->capture_default_str();
  app->add_option("--max-args", settings.limits.max_args, "Arguments of an operator, from 2")
      ->capture_default_str();
  app->add_flag("--force", settings.force, "Replace existing files");
  app->footer(
      "Example, short expressions for a quick test:\n"
      "  lra_data generate listops --out data/listops-small --train 2000 --val 200 "
      "--test 200 --min-length 10 --max-length 60");
  app->callback([&] { chosen = [&] { return generate_listops(settings); }; });
}

struct GeneratePathfinder {
  std::string out;
  uint64_t seed = 1;
  int64_t size = 32, count = 10000, per_batch = 1000;
  std::vector<int64_t> contours = {14}, distractors = {-1};  // -1: as in the benchmark
  bool force = false, numpy = false, fair_places = false;
};

int generate_pathfinder(const GeneratePathfinder& settings) {
  catch_stop_signals();
  Progress progress("pathfinder");
  const auto step = [&](int64_t done, int64_t total) {
    if (stop_signal != 0) throw Stopped();
    progress(done, total);
  };
  std::vector<pathfinder::PathfinderSettings> levels;
  for (const int64_t contour : settings.contours) {
    for (const int64_t distractors : settings.distractors) {
      levels.push_back(pathfinder::pathfinder_settings(settings.size, contour));
      if (distractors >= 0) levels.back().distractors = distractors;
      levels.back().fair_places = settings.fair_places;
    }
  }
  const auto result = pathfinder::generate_dataset(
      settings.out, levels, settings.seed, settings.count, settings.per_batch, step,
      {.overwrite = settings.force, .numpy_metadata = settings.numpy});
  std::printf("pathfinder: wrote %lld images, %lld with a path, to %s\n", (long long)result.images,
              (long long)result.positives, result.folder.c_str());
  std::printf("%.1f attempts and %.2f distractors an image\n",
              double(result.attempts) / double(result.images),
              double(result.distractors) / double(result.images));
  return 0;
}

void add_generate_pathfinder(CLI::App& generate, GeneratePathfinder& settings,
                             std::function<int()>& chosen) {
  CLI::App* app = generate.add_subcommand("pathfinder", "Are two discs joined by a dashed curve?");
  app->add_option("--out", settings.out, "Folder for pathfinder<size>")->required();
  app->add_option("--size", settings.size, "Pixels a side: 32, 64, 128 (Path-X) or 256")
      ->capture_default_str();
  app->add_option("--contour", settings.contours,
                  "Dashes of a curve: 14; the authors' easier levels have 6 and 9. Several with "
                  "commas take turns")
      ->delimiter(',')
      ->capture_default_str();
  app->add_option("--distractors", settings.distractors,
                  "Shorter curves beside the two, as many as find a place; -1: as in the "
                  "benchmark. Several with commas "
                  "take turns")
      ->delimiter(',')
      ->check(CLI::Range(-1, 1000))
      ->capture_default_str();
  app->add_option("--count", settings.count, "Images")
      ->check(not_negative())
      ->capture_default_str();
  app->add_option("--per-batch", settings.per_batch, "Images of one folder")
      ->check(not_negative())
      ->capture_default_str();
  app->add_option("--seed", settings.seed, "Random seed")
      ->check(not_negative())
      ->capture_default_str();
  app->add_flag("--fair-places", settings.fair_places,
                "Curves begin in any direction that has room. The authors' program allows few "
                "directions in images of "
                "32 or 64 pixels, and many distractors fail. This makes a harder task than the "
                "benchmark: 4.65 "
                "distractors an image instead of 1.16 at 32 pixels");
  app->add_flag("--numpy", settings.numpy, "Metadata as NumPy arrays, not as text");
  app->add_flag("--force", settings.force, "Replace existing files");
  app->footer("Example:\n  lra_data generate pathfinder --out data --count 20000");
  app->callback([&] { chosen = [&] { return generate_pathfinder(settings); }; });
}

// ---- check

void print_report(const Task& task, const TaskReport& report) {
  std::printf("%s: %s\n", task.name, printable(report.folder).c_str());
  std::vector<SplitReport> read;  // the splits that have rows
  for (const SplitReport& split : report.splits) {
    if (split.rows() > 0) read.push_back(split);
  }
  std::puts(read.empty()
                ? "  no row could be read"
                : "  split      rows  length:  min   median     mean      max  majority class");
  for (const SplitReport& split : read) {
    const auto& counts = split.class_counts;
    const auto most = std::max_element(counts.begin(), counts.end()) - counts.begin();
    std::printf("  %-5s %9lld         %5lld %8.1f %8.1f %8lld  %lld (%.2f %%)\n",
                split.name.c_str(), (long long)split.rows(), (long long)split.lengths.min,
                split.lengths.median, split.lengths.mean, (long long)split.lengths.max,
                (long long)most, 100 * majority_rate(counts));
  }
  if (!read.empty()) std::printf("  share of each class in %%, from class 0\n");
  for (const SplitReport& split : read) {
    std::printf("  %-5s", split.name.c_str());
    for (const int64_t count : split.class_counts) {
      std::printf(" %6.2f", 100.0 * double(count) / double(std::max<int64_t>(1, split.rows())));
    }
    std::printf("\n");
  }
  if (!read.empty()) std::printf("  duplicates: %lld\n", (long long)report.duplicates);
  for (const std::string& note : report.notes) std::printf("  note: %s\n", printable(note).c_str());
  for (const SplitReport& split : report.splits) {
    std::printf("  problems in %s: %lld\n", split.name.c_str(), (long long)split.problem_count);
    for (const Problem& problem : split.problems) {
      std::printf("    %s\n", printable(to_string(problem)).c_str());
    }
    const int64_t more = split.problem_count - int64_t(split.problems.size());
    if (more > 0) std::printf("    and %lld more\n", (long long)more);
  }
}

int check_folder(const std::string& folder) {
  // "." is in every folder that may be searched: one that may not is no empty folder.
  check<DataError>(is_file(folder) || is_there(std::filesystem::path(folder) / "."),
                   "check: cannot find '", folder, "'");
  bool any = false, all_usable = true;
  for (const Task& task : kTasks) {
    TaskReport report;
    try {
      report = task.check_files(folder);
      any = any || report.found();
      if (!report.found() && *task.elsewhere) report = task.check_files(task.elsewhere);
    } catch (const DataError& error) {  // a folder of the task that may not be searched
      std::printf("%s: %s\n", task.name, printable(error.what()).c_str());
      any = true;
      all_usable = false;
      continue;
    }
    if (report.found()) {
      print_report(task, report);
      all_usable = all_usable && report.usable();
    } else {
      std::printf("%s: not found; %s\n", task.name, task.origin);
    }
  }
  check<DataError>(any, "check: no task found in '", folder, "'");
  check<DataError>(all_usable, "check: the data has problems");
  return 0;
}

// ---- show

struct Show {
  std::string task, folder, split = "train", png;
  int64_t count = 3, length = 400;
};

// Control characters escaped, and cut after `length` tokens.
std::string to_text(const std::vector<uint16_t>& tokens, const TaskData& data, const Task& task,
                    int64_t length) {
  std::string text;
  const int64_t n = int64_t(tokens.size());
  for (int64_t i = 0; i < n && (length == 0 || i < length); ++i) {
    if (i > 0) text += task.between;
    const std::string& token = data.vocabulary[tokens[size_t(i)]];
    text += token == "\n" ? "\\n" : printable(token);
  }
  return length > 0 && n > length ? text + " ... and " + std::to_string(n - length) + " more"
                                  : text;
}

int show_examples(const Show& show) {
  const Task* const task = std::find_if(std::begin(kTasks), std::end(kTasks),
                                        [&](const Task& t) { return show.task == t.name; });
  if (task == std::end(kTasks)) {
    std::vector<std::string> names;
    for (const Task& t : kTasks) names.push_back(t.name);
    fail<UsageError>("show: unknown task '", show.task, "'", suggestion(show.task, names));
  }
  const TaskData data = task->load(show.folder);
  const std::vector<Example>& examples = show.split == "train" ? data.train
                                         : show.split == "val" ? data.val
                                                               : data.test;
  check<UsageError>(data.images() || show.png.empty(), "show: ", show.task,
                    " has no images that --png could write");
  check<UsageError>(!data.images() || !show.png.empty(), "show: ", show.task,
                    " has images; --png FILE writes a sheet");
  const std::string ids = data.images() ? "" : ", " + std::to_string(data.vocab) + " ids";
  std::printf("%s: %zu %s examples, %lld classes%s%s%s\n", task->name, examples.size(),
              show.split.c_str(), (long long)data.classes, ids.c_str(),
              data.note.empty() ? "" : "; ", data.note.c_str());
  if (data.images()) {
    std::vector<Example> shown;  // as many of each class, class by class
    for (int64_t c = 0; c < data.classes; ++c) {
      int64_t left = show.count;
      for (const Example& e : examples)
        if (e.label == c && left > 0) shown.push_back(e), --left;
    }
    write_contact_sheet(shown, data.height, data.width, int64_t(std::max<int64_t>(1, show.count)),
                        show.png);
    std::printf("%zu images, a row for each class from 0: %s\n", shown.size(), show.png.c_str());
    return 0;
  }
  for (size_t i = 0; i < std::min(examples.size(), size_t(show.count)); ++i) {
    const Example& example = examples[i];
    std::printf("\nexample %zu: class %d, %zu tokens\n", i, int(example.label),
                example.tokens.size());
    std::printf("%s\n", to_text(example.tokens, data, *task, show.length).c_str());
    if (!data.pairs) continue;
    std::printf("with %zu tokens\n", example.second.size());
    std::printf("%s\n", to_text(example.second, data, *task, show.length).c_str());
  }
  return 0;
}

void add_show(CLI::App& app, Show& show, std::function<int()>& chosen) {
  CLI::App* command = app.add_subcommand("show", "Print a few examples as the model sees them");
  command->add_option("task", show.task, "listops, text, retrieval, image, ..")->required();
  command->add_option("dir", show.folder, "Folder of the task or of all tasks")->required();
  command->add_option("--split", show.split, "train, val or test")
      ->check(CLI::IsMember({"train", "val", "test"}))
      ->capture_default_str();
  command->add_option("--count", show.count, "Examples")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--png", show.png, "Images: the file to write");
  command->add_option("--length", show.length, "Tokens of each; 0: all of them")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->footer("Example:\n  lra_data show text data --split test --count 5");
  command->callback([&] { chosen = [&] { return show_examples(show); }; });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Makes and checks the data of the Long Range Arena tasks.", "lra_data");
  app.require_subcommand(1);
  app.footer(
      "Example:\n  lra_data generate listops --out data/listops\n  lra_data check data\n"
      "  lra_data show listops data");

  CLI::App* generate = app.add_subcommand("generate", "Write the data of a task");
  generate->require_subcommand(1);
  generate->footer("Example:\n  lra_data generate listops --out data/listops");
  GenerateListops listops_settings;
  std::function<int()> chosen;
  add_generate_listops(*generate, listops_settings, chosen);
  GeneratePathfinder pathfinder_settings;
  add_generate_pathfinder(*generate, pathfinder_settings, chosen);

  CLI::App* check = app.add_subcommand("check", "Read every row and report what is there");
  std::string folder;
  check->add_option("dir", folder, "Folder of one task or of all tasks, or an archive")->required();
  check->footer(
      "Exit code 3 when a task that is there cannot be used.\nExample:\n"
      "  lra_data check data");
  check->callback([&] { chosen = [&] { return check_folder(folder); }; });
  Show show;
  add_show(app, show, chosen);
  return run_program(argc, argv, app, [&] { return chosen(); });
}
