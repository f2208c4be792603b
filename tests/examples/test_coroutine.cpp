// Coroutines: who runs when, and how they end.
#include "examples/train/coroutine.h"

#include <omp.h>

#include <chrono>
#include <memory>
#include <thread>

#include "autograd/profile.h"
#include "core/check.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

TEST_CASE("coroutine: several advance by turns, each from where it paused") {
  std::string order;
  std::vector<std::unique_ptr<Coroutine>> all;
  for (const char name : {'a', 'b', 'c'})
    all.push_back(std::make_unique<Coroutine>([&order, name](Coroutine& self) {
      for (int i = 0; i < 3; ++i) {
        order += name;
        self.pause();
      }
    }));
  CHECK(order.empty());
  for (int i = 0; i < 4; ++i)
    for (const auto& c : all) CHECK(c->resume() == (i < 3));
  CHECK(order == "abcabcabc");
  CHECK_THROWS_WITH_AS(all[0]->resume(), doctest::Contains("has ended"), Error);
}

TEST_CASE(
    "coroutine: what it throws, resume() throws; one that is left paused frees what it holds") {
  const auto held = std::make_shared<int>(1);
  {
    Coroutine fails([held](Coroutine& self) {
      const auto inner = held;
      self.pause();
      fail<DataError>("no data");
    });
    Coroutine waits([held](Coroutine& self) {
      const auto inner = held;
      try {
        self.pause();
      } catch (const std::exception&) {
        FAIL("the end of a coroutine is no error");
      }
      FAIL("it goes on after its end");
    });
    const Coroutine never([held](Coroutine&) { FAIL("nobody has resumed it"); });
    CHECK(fails.resume());
    CHECK(waits.resume());
    CHECK(held.use_count() == 6);
    CHECK_THROWS_WITH_AS(fails.resume(), "no data", DataError);
    CHECK(held.use_count() == 5);
  }
  CHECK(held.use_count() == 1);
}

TEST_CASE("coroutine: it has the caller's threads and profile, which leaves out what it waits") {
  const int threads = omp_get_max_threads();
  Profile profile;
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  Clock::duration waited{};
  {
    const Profile::Step step(profile);
    omp_set_num_threads(3);
    Coroutine c([](Coroutine& self) {
      CHECK(omp_get_max_threads() == 3);
      const ProfileSpan span;
      self.pause();
      span.end("of the coroutine", Profile::Phase::Other);
    });
    c.resume();
    const Clock::time_point paused = Clock::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    waited = Clock::now() - paused;
    c.resume();
  }
  const std::chrono::duration<double> at_most = Clock::now() - start - waited;
  omp_set_num_threads(threads);
  for (const Profile::Row& row : profile.rows())
    if (row.name == "of the coroutine") {
      CHECK(row.calls == 1);
      CHECK(row.seconds <= at_most.count());
    }
  CHECK(profile.rows().size() == 2);
}
