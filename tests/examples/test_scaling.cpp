// scaling: the model of the cost against hand-made figures, and the program.
#include "examples/scaling/cost.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::scaling;
using namespace skiff::testing;

TEST_CASE("scaling: an exchange takes its messages and its bytes") {
  const Network& slow = networks()[0];  // 35 us per message, 118 MB per second
  CHECK(exchange_seconds(slow, 1, 8, 2e6) == 0);
  CHECK(exchange_seconds(slow, 2, 8, 2e6) == doctest::Approx(70e-6 + 2e6 / 118e6));
  CHECK(exchange_seconds(slow, 8, 8, 2e6) == doctest::Approx(490e-6 + 1.75 * 2e6 / 118e6));
  // Three processes: two of them hold two nodes, and the slowest counts.
  CHECK(exchange_seconds(slow, 3, 8, 3e6) == doctest::Approx(140e-6 + 3 * 2e6 / 118e6));
}

TEST_CASE("scaling: a step takes as long as its fullest process, update and exchange") {
  const Costs c{.fixed = 0.01, .per_example = 0.1, .update = 0.002, .gradient_bytes = 2e6};
  const Network& slow = networks()[0];
  CHECK(step_seconds(c, slow, 1, 8, 16) == doctest::Approx(8 * 0.21 + 0.002));
  CHECK(step_seconds(c, slow, 3, 8, 16) ==
        doctest::Approx(3 * 0.21 + 0.002 + exchange_seconds(slow, 3, 8, 2e6)));
}

TEST_CASE("scaling: the batch from which P processes are P / 2 times as fast") {
  const Costs c{.fixed = 0, .per_example = 0.001, .update = 0.002, .gradient_bytes = 2e6};
  for (const Network& network : networks())
    for (const int64_t P : {2, 8, 64}) {
      const int64_t batch = batch_of_half_speed(c, network, P);
      const auto gain = [&](int64_t b) {
        return step_seconds(c, network, 1, P, b) / step_seconds(c, network, P, P, b);
      };
      CHECK(batch % P == 0);
      CHECK(gain(batch) >= double(P) / 2 * (1 - 1e-12));
      if (batch > P) CHECK(gain(batch - P) < double(P) / 2);
    }
}

TEST_CASE("scaling: measures a step, computes the rest and says so; tries the exchange") {
  const Place place;
  const Outcome o =
      place.run("scaling --recipe tiny --batch-size 4 --shards 4 --repeats 1 --steps 90");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  for (const char* part : {"measured here, threads: 1", "forward and backward, examples: 4",
                           "computed, not measured", "batch 4 in 4 shards", "hours of 90 steps",
                           "batch 1024 in 1024 shards", "     1024", "the smallest batch"})
    CHECK(contains(o.out, part));
  CHECK_FALSE(contains(o.out, "nan"));
  const Outcome tried = place.run("scaling --virtual 24 --shards 40");
  CHECK(tried.code == 0);
  CHECK(contains(tried.out, "24 virtual processes, 40 shards"));
  CHECK(contains(tried.out, "the bits of one process"));
  const Outcome refused = place.run("scaling --virtual 9 --shards 8");
  CHECK(refused.code == 2);
  CHECK(refused.err == "error: 9 processes for 8 shards; start at most 8\n");
}
