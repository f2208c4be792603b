// Progress: what a terminal and a pipe see of it.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "examples/program/signals.h"
#include "examples/train/display.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// A file that a Display writes into.
struct Output {
  Output() { REQUIRE(file != nullptr); }
  ~Output() { std::fclose(file); }
  std::string text() const {
    std::string text(1 << 16, '\0');
    const ssize_t count = ::pread(::fileno(file), text.data(), text.size(), 0);
    return text.substr(0, size_t(std::max<ssize_t>(0, count)));
  }
  void wait_for(const std::string& part) const {
    for (int i = 0; i < 20000 && !contains(text(), part); ++i) ::usleep(500);
    CHECK(contains(text(), part));
  }
  std::FILE* file = std::tmpfile();
};

}  // namespace

TEST_CASE("display: on a pipe, what begins is said at once, and what takes long again and again") {
  const Output out;
  Display display(Progressing::Lines, /*quiet=*/false, /*patience=*/0.01, out.file);
  display.begin("testing on 7 examples", "after this batch");
  CHECK(out.text().starts_with("testing on 7 examples\n"));
  out.wait_for("testing on 7 examples (0:00 so far)\n");
  display.show("testing: 3 of 7 examples");
  out.wait_for("testing: 3 of 7 examples (0:00 so far)\n");
  display.begin("step 1/9", "after this step", /*aside=*/true);
  out.wait_for("step 1/9 (0:00 so far)\n");
  display.note("a note");
  CHECK(contains(out.text(), "a note\n"));
  CHECK(out.text().find('\r') == std::string::npos);
}

TEST_CASE("display: with patience, only rows that are asked for are printed on a pipe") {
  const Output out;
  Display display(Progressing::Lines, /*quiet=*/false, /*patience=*/1000, out.file);
  display.begin("step 1/9", "", /*aside=*/true);
  display.row("row 1", false);
  display.row("row 2", true);
  display.show("a part");
  CHECK(out.text() == "row 2\n");
}

TEST_CASE("display: a bar is one line, cut before the last column; rows stay, progress goes") {
  const Output out;
  ::setenv("COLUMNS", "20", 1);
  {
    Display display(Progressing::Bar, /*quiet=*/false, /*patience=*/1000, out.file);
    display.row("row of thirty characters and more", true);
    display.begin("testing", "");
    display.note("tested");
  }
  ::unsetenv("COLUMNS");
  CHECK(out.text() == "\rrow of thirty chara\033[K\n\rtesting\033[K\r\033[Ktested\n");
}

TEST_CASE("display: quiet says nothing; without progress only notes are left") {
  const Output nothing, notes;
  for (const auto& [out, quiet] : {std::pair{&nothing, true}, {&notes, false}}) {
    Display display(Progressing::Not, quiet, /*patience=*/1000, out->file);
    display.begin("testing", "");
    display.row("row", true);
    display.note("note");
  }
  CHECK(nothing.text().empty());
  CHECK(notes.text() == "note\n");
}

TEST_CASE("display: a signal is answered at once, also while the program computes") {
  const Output out;
  Display display(Progressing::Not, /*quiet=*/false, /*patience=*/0.01, out.file);
  display.begin("step 1/9", "after this step", /*aside=*/true);
  stop_signal = 2;
  out.wait_for("stopping after this step ...\n");
  stop_signal = 0;
}

TEST_CASE("signals: an echo of the first request ends nothing, a second request does") {
  for (const useconds_t pause : {0, 700000}) {
    CAPTURE(pause);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::alarm(20);
      catch_stop_signals();
      ::kill(::getpid(), SIGINT);
      ::usleep(pause);
      ::kill(::getpid(), SIGINT);
      ::_exit(stop_signal);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    const bool second = pause > 0;
    CHECK(WIFSIGNALED(status) == second);
    CHECK((second ? WTERMSIG(status) : WEXITSTATUS(status)) == SIGINT);
  }
}
