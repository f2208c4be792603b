// Processes: what can be said of them without a launcher. tests/distributed runs the rest.
#include "core/processes.h"

#include <cstdlib>
#include <cstring>
#include <numeric>

#include "core/processes_virtual.h"
#include "tests/support/child.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

std::byte* bytes_of(std::string& text) { return reinterpret_cast<std::byte*>(text.data()); }

}  // namespace

TEST_CASE("processes: all-to-all brings part q of process p to process q") {
  for (const int count : {1, 2, 3, 7}) {
    CAPTURE(count);
    VirtualProcesses all(count);
    // Process p sends p + q + 1 letters to process q, the letter of p.
    std::vector<std::string> sent(static_cast<size_t>(count)), received = sent;
    for (int p = 0; p < count; ++p) {
      std::vector<int64_t> sizes;
      for (int q = 0; q < count; ++q) sizes.push_back(p + q + 1);
      const auto total = size_t(std::accumulate(sizes.begin(), sizes.end(), int64_t(0)));
      sent[size_t(p)] = std::string(total, char('a' + p));
      received[size_t(p)].resize(total);
      all[p].begin_all_to_all(bytes_of(sent[size_t(p)]), sizes, bytes_of(received[size_t(p)]),
                              sizes);
    }
    for (int p = 0; p < count; ++p) {
      all[p].finish();
      std::string expected;
      for (int q = 0; q < count; ++q) expected += std::string(size_t(p + q + 1), char('a' + q));
      CHECK(received[size_t(p)] == expected);
      CHECK(all[p].bytes_sent() == int64_t(expected.size()) - (2 * p + 1));
    }
  }
}

TEST_CASE(
    "processes: all-gather and broadcast bring each part to all, one operation after another") {
  VirtualProcesses all(3);
  const std::vector<int64_t> sizes = {2, 0, 3};
  std::vector<std::string> gathered = {"aa...", ".....", "..ccc"}, told = {"yes", "...", "..."};
  for (int p = 0; p < 3; ++p) all[p].begin_all_gather(bytes_of(gathered[size_t(p)]), sizes);
  for (int p = 0; p < 3; ++p) {  // the first begins its second operation while others end the first
    all[p].finish();
    CHECK(gathered[size_t(p)] == "aaccc");
    gathered[size_t(p)] = "-----";  // what has been sent may be changed at once
    all[p].begin_broadcast(bytes_of(told[size_t(p)]), 3);
  }
  for (int p = 0; p < 3; ++p) {
    all[p].finish();
    CHECK(told[size_t(p)] == "yes");
  }
  CHECK(all[0].bytes_sent() == 2 * 2 + 2 * 3);
  CHECK(all[1].bytes_sent() == 0);
}

TEST_CASE("processes: parts of another size than expected are an error") {
  VirtualProcesses all(2);
  std::string a = "aabb", b = "aabbb";
  const std::vector<int64_t> two = {2, 2}, three = {2, 3};
  all[0].begin_all_gather(bytes_of(a), two);
  all[1].begin_all_gather(bytes_of(b), three);
  CHECK(contains(message_of([&] { all[0].finish(); }), "expects 2 bytes of process 1, got 3"));
}

TEST_CASE("processes: one process gathers its own, and errors of its stages stay what they are") {
  OneProcess one;
  CHECK(gather(one, "alone") == std::vector<std::string>{"alone"});
  std::string text = "kept";
  broadcast(one, text);
  CHECK(text == "kept");
  CHECK_THROWS_AS(together(one, [] { fail<DataError>("no data"); }), DataError);
  CHECK(one.bytes_sent() == 0);
  CHECK(one.name() == "process 0 of 1 (host " + host_name() + ")");
}

TEST_CASE("processes: who waits longer than the time limit says so and ends all") {
  const std::string said = in_child([]() -> std::string {
    int ends[2];
    if (::pipe(ends) != 0) return "no pipe";
    const pid_t waiting = ::fork();
    if (waiting == 0) {
      ::dup2(ends[1], 2);
      VirtualProcesses all(2);
      std::string data = "ab";
      all[1].set_timeout(0.02);
      all[1].set_place("at step 7");
      all[1].begin_all_gather(bytes_of(data), std::vector<int64_t>{1, 1});
      all[1].finish();  // process 0 never comes
      ::_exit(0);
    }
    ::close(ends[1]);
    char text[300] = {};
    if (::read(ends[0], text, sizeof text - 1) < 0) return "nothing said";
    int status = 0;
    ::waitpid(waiting, &status, 0);
    return std::to_string(WEXITSTATUS(status)) + " " + text;
  });
  CHECK(said == "1 error: process 1 of 2 (host virtual) waited 0 s for the others at step 7\n");
}

TEST_CASE("processes: an operation that begins inside another one is an error") {
  VirtualProcesses all(2);
  std::string data = "ab";
  const std::vector<int64_t> sizes = {1, 1};
  all[0].begin_all_gather(bytes_of(data), sizes);
  CHECK(contains(message_of([&] { all[0].begin_all_gather(bytes_of(data), sizes); }),
                 "before the one before it has ended"));
}
