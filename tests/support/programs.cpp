#include "tests/support/programs.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>
#include <vector>

#include "data/tasks/listops.h"
#include "examples/language/run.h"
#include "examples/program/flags.h"
#include "examples/train/task_run.h"

namespace skiff::testing {

namespace {

// While it lives, what is written to a file descriptor goes into a file.
class Redirection {
 public:
  Redirection(int descriptor, const std::string& path)
      : descriptor_(descriptor), saved_(::dup(descriptor)) {
    flush();
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    REQUIRE(saved_ >= 0);
    REQUIRE(::dup2(file, descriptor) == descriptor);
    ::close(file);
  }
  ~Redirection() {
    flush();
    ::dup2(saved_, descriptor_);
    ::close(saved_);
  }
  Redirection(const Redirection&) = delete;
  Redirection& operator=(const Redirection&) = delete;

 private:
  static void flush() {
    std::cout.flush();
    std::fflush(nullptr);
  }
  int descriptor_, saved_;
};

}  // namespace

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void spill(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string programs() {
  const char* folder = std::getenv("SKIFF_PROGRAMS");
  return std::filesystem::absolute(folder ? folder : "build/cpu").string();
}

Outcome Place::run_with(const std::string& before, const std::string& command) const {
  const std::string line =
      "(" + before + " " + programs() + "/" + command + ") >" + file("out") + " 2>" + file("err");
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), slurp(file("out")),
          slurp(file("err"))};
}

void make_listops(const std::string& folder, int64_t seed, int64_t val, int64_t test) {
  listops::generate(folder, uint64_t(seed), {200, val, test}, {.min_length = 2, .max_length = 20});
}

TinyRun::TinyRun() { make_listops(*this / "data/listops"); }

std::string TinyRun::words(const std::string& out, const std::string& more) const {
  return "--data " + *this / "data" + " --out " + *this / out + kTiny + " " + more;
}

Outcome TinyRun::train(const std::string& out, const std::string& more) const {
  return run("train_lra " + words(out, more));
}

Outcome TinyRun::train_here(const std::string& out, const std::string& more) const {
  return train_lra_here(*this, words(out, more));
}

namespace {

// Runs `program` inside the test, with the words between the blanks as its command line.
Outcome run_here(const Place& place, const std::string& words,
                 const std::function<int(int, char**)>& program) {
  std::istringstream in(words);
  std::vector<std::string> parts;
  for (std::string part; in >> part;) parts.push_back(part);
  std::vector<char*> arguments;
  for (std::string& part : parts) arguments.push_back(part.data());
  int code = 0;
  {
    const Redirection out(1, place / "out"), err(2, place / "err");
    code = program(int(arguments.size()), arguments.data());
  }
  return {code, slurp(place / "out"), slurp(place / "err")};
}

// The body of a training program: a run with its notes, whose result is not printed.
template <class Command, class Make>
int trained(const Command& c, const Make& make) {
  for (const std::string& note : options_without_effect(c))
    std::fprintf(stderr, "note: %s\n", note.c_str());
  const auto run = make(c);
  (*run)();
  check<IoError>(run->write_error().empty(), run->write_error());
  return 0;
}

}  // namespace

Outcome train_lra_here(const Place& place, const std::string& words) {
  return run_here(place, "train_lra " + words, [](int argc, char** argv) {
    Flags flags("", "train_lra");
    return run_with_options(argc, argv, flags,
                            [](CommandLine& c) { return trained(c, make_task_run); });
  });
}

Outcome train_lm_here(const Place& place, const std::string& words,
                      const std::function<void()>& taken) {
  return run_here(place, "train_lm " + words, [&](int argc, char** argv) {
    Flags flags("", "train_lm");
    return run_with_lm_options(argc, argv, flags, [&](LmCommand& c) {
      check_options(c.options);
      c.session.taken = taken;
      return trained(c, [](const LmCommand& lm) { return std::make_unique<LmRun>(lm); });
    });
  });
}

std::string without_times(const std::string& csv) {
  std::string result;
  std::istringstream in(csv);
  for (std::string line; std::getline(in, line);) {
    const size_t last = line.rfind(',');
    result += line.substr(0, line.rfind(',', last - 1)) + "\n";
  }
  return result;
}

void check_same_run(const Place& place, const std::string& a, const std::string& b) {
  for (const char* name :
       {"ckpt-00000030.safetensors", "ckpt-00000025.safetensors", "best.safetensors"}) {
    CAPTURE(name);
    const std::string left = slurp(place / (a + "/" + name));
    CHECK(!left.empty());
    CHECK((left == slurp(place / (b + "/" + name))));
  }
  CHECK(without_times(slurp(place / (a + "/metrics.csv"))) ==
        without_times(slurp(place / (b + "/metrics.csv"))));
}

}  // namespace skiff::testing
