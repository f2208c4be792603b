#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string_view>

#include "data/pathfinder/dataset.h"
#include "examples/data/commands.h"
#include "examples/program/signals.h"

namespace skiff {

namespace {

// Progress on stderr: on a terminal one line that is rewritten, elsewhere one line per tenth. Ends
// the program after a signal.
class ProgressLine {
 public:
  explicit ProgressLine(const char* what) : what_(what), begin_(Clock::now()) {
    catch_stop_signals();  // no half-written file stays behind
    const char* terminal = std::getenv("TERM");
    rewrite_ = ::isatty(2) && terminal && std::string_view(terminal) != "dumb";
  }
  ~ProgressLine() {
    if (open_line_) std::fprintf(stderr, "\n");
  }
  void operator()(int64_t done, int64_t total) {
    if (stop_signal != 0) throw Stopped();
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

}  // namespace

int generate_listops(const GenerateListops& settings) {
  ProgressLine progress("listops");
  const listops::Generated result =
      listops::generate(settings.out, settings.seed, settings.counts, settings.limits,
                        settings.force, std::ref(progress));
  std::printf("listops: wrote %lld train, %lld val and %lld test examples to %s\n",
              (long long)settings.counts.train, (long long)settings.counts.val,
              (long long)settings.counts.test, settings.out.c_str());
  std::printf("mean length %.1f tokens; %.2f %% of %lld drawn trees taken\n", result.mean_length,
              100.0 * double(result.accepted) / double(result.attempts),
              (long long)result.attempts);
  return 0;
}

int generate_pathfinder(const GeneratePathfinder& settings) {
  ProgressLine progress("pathfinder");
  std::vector<pathfinder::PathfinderSettings> levels;
  for (const int64_t contour : settings.contours) {
    for (const int64_t distractors : settings.distractors) {
      levels.push_back(pathfinder::pathfinder_settings(settings.size, contour));
      if (distractors >= 0) levels.back().distractors = distractors;
      levels.back().fair_places = settings.fair_places;
      levels.back().single_dashes = settings.single_dashes;
    }
  }
  const auto result = pathfinder::generate_dataset(
      settings.out, levels, settings.seed, settings.count, settings.per_batch, std::ref(progress),
      {.overwrite = settings.force, .numpy_metadata = settings.numpy});
  std::printf("pathfinder: wrote %lld images, %lld with a path, to %s\n", (long long)result.images,
              (long long)result.positives, result.folder.c_str());
  std::printf("%.1f attempts and %.2f distractors per image\n",
              double(result.attempts) / double(result.images),
              double(result.distractors) / double(result.images));
  return 0;
}

}  // namespace skiff
