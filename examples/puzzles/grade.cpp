// Grades the puzzles: compares every backward with central differences, by gradcheck, and says what
// is wrong with one that fails.
// Run:     make puzzles; one alone: make puzzles P=06
// Expect:  one line per puzzle, below it the first wrong entry, and the last line "N of 12 solved";
//          exit code 1 while one is not solved
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

#include "examples/puzzles/puzzle.h"

namespace skiff::puzzles {
std::vector<Entry>& entries() {
  static std::vector<Entry> all;
  return all;
}
}  // namespace skiff::puzzles

using namespace skiff;

int main(int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "";
  if (argc > 2 || wanted.starts_with("-")) {
    std::fprintf(stderr, "error: usage: puzzles [NUMBER]\n");
    return 2;
  }
  std::vector<puzzles::Entry>& all = puzzles::entries();
  std::sort(all.begin(), all.end(),
            [](const puzzles::Entry& a, const puzzles::Entry& b) { return a.op.name < b.op.name; });
  int solved = 0, count = 0;
  for (const puzzles::Entry& entry : all) {
    if (!entry.op.name.starts_with(wanted)) continue;
    ++count;
    std::string verdict = "solved", numbers;
    try {
      if (!gradcheck(entry.op).passed) {
        const puzzles::Diagnosis found = entry.diagnose();
        verdict = found.mistake + " (" +
                  (entry.file.starts_with("./") ? entry.file.substr(2) : entry.file) + ")";
        numbers = found.entry;
      }
    } catch (const std::exception& e) {  // also of the standard library, such as at()
      verdict = e.what();
    }
    solved += verdict == "solved";
    std::printf("%-22s %s\n", entry.op.name.c_str(), verdict.c_str());
    if (!numbers.empty()) std::printf("%-22s %s\n", "", numbers.c_str());
  }
  if (count == 0) {
    std::fprintf(stderr, "error: no puzzle starts with '%s'\n", wanted.c_str());
    return 2;
  }
  std::printf("%d of %d solved\n", solved, count);
  return solved == count ? 0 : 1;
}
