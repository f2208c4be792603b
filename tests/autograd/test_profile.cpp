// The profile: what it counts, what it adds up to, and that it changes nothing.
#include "autograd/profile.h"
#include "examples/bench/cases.h"
#include "examples/train/profile_table.h"
#include "optim/average.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// y = sum(silu(x W^T) silu(x W^T)): linear once, silu once, mul once with the same value twice.
std::vector<Tensor> small_graph() {
  const Variable x = Variable::leaf(random64({4, 3}, 1)), W = Variable::leaf(random64({5, 3}, 2));
  Tape tape;
  const Variable h = silu(linear(x, W));
  const Variable y = sum(h * h);
  tape.backward(y);
  return {y.value(), x.grad(), W.grad()};
}

const Profile::Row* find(const std::vector<Profile::Row>& rows, const std::string& name,
                         Profile::Phase phase) {
  for (const Profile::Row& r : rows)
    if (r.name == name && r.phase == phase) return &r;
  return nullptr;
}

std::vector<std::vector<std::string>> cells(const std::string& csv) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream in(csv);
  for (std::string line; std::getline(in, line);) {
    rows.emplace_back();
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, ',');) rows.back().push_back(cell);
  }
  return rows;
}

}  // namespace

TEST_CASE("profile: calls and bytes of every op, forward and backward") {
  Profile profile;
  for (int i = 0; i < 3; ++i) {
    const Profile::Step step(profile);
    small_graph();
  }
  CHECK(profile.steps() == 3);
  const std::vector<Profile::Row> rows = profile.rows();
  for (const char* name : {"linear", "silu", "mul", "sum"}) {
    CAPTURE(name);
    for (const auto phase : {Profile::Phase::Forward, Profile::Phase::Backward}) {
      REQUIRE(find(rows, name, phase) != nullptr);
      CHECK(find(rows, name, phase)->calls == 3);
      CHECK(find(rows, name, phase)->seconds >= 0);
    }
  }
  CHECK(find(rows, "linear", Profile::Phase::Forward)->bytes == 3 * 8 * (4 * 5));
  CHECK(find(rows, "linear", Profile::Phase::Backward)->bytes == 3 * 8 * (4 * 3 + 5 * 3));
  CHECK(find(rows, "mul", Profile::Phase::Backward)->bytes == 3 * 8 * 2 * (4 * 5));
  // The two gradients of h meet once a step, in the memory of one of them.
  REQUIRE(find(rows, "sum of gradients", Profile::Phase::Backward) != nullptr);
  CHECK(find(rows, "sum of gradients", Profile::Phase::Backward)->calls == 3);
  CHECK(find(rows, "sum of gradients", Profile::Phase::Backward)->bytes == 0);
  CHECK(profile.bytes(Profile::Phase::Forward) == 3 * 8 * (3 * 4 * 5 + 1));
}

TEST_CASE("profile: a tensor that is passed on is not counted as made") {
  const Variable x = Variable::leaf(random64({4, 6}, 1));
  Profile profile;
  {
    const Profile::Step step(profile);
    Tape tape;
    const Variable y = reshape(x, {24}) + reshape(x, {24});
    tape.backward(y, random64({24}, 2));
  }
  const std::vector<Profile::Row> rows = profile.rows();
  CHECK(find(rows, "reshape", Profile::Phase::Forward)->bytes == 0);
  CHECK(find(rows, "reshape", Profile::Phase::Backward)->bytes == 0);
  CHECK(find(rows, "add", Profile::Phase::Backward)->bytes == 0);
  CHECK(find(rows, "add", Profile::Phase::Forward)->bytes == 24 * 8);
}

TEST_CASE("profile: a sum of gradients takes memory only where both are held elsewhere") {
  const Variable x = Variable::leaf(random64({5}, 1));
  const Tensor gy = random64({5}, 2);
  Profile profile;
  {
    const Profile::Step step(profile);
    Tape tape;
    // x gets gy twice, which the caller holds: one sum of its own, to which 3 gy is added.
    tape.backward((3.0 * x + x) + x, gy);
  }
  const auto sums = *find(profile.rows(), "sum of gradients", Profile::Phase::Backward);
  CHECK(sums.calls == 2);
  CHECK(sums.bytes == 5 * 8);
  for (int64_t i = 0; i < 5; ++i)
    CHECK(x.grad().data<double>()[i] == doctest::Approx(5 * gy.data<double>()[i]));
}

TEST_CASE("profile: the rows add up to the time of the steps, the longest first") {
  Profile profile;
  for (int i = 0; i < 2; ++i) {
    const Profile::Step step(profile);
    CHECK(measured("number", [] { return 7; }) == 7);
    small_graph();
  }
  double sum = 0;
  const std::vector<Profile::Row> rows = profile.rows();
  for (size_t i = 0; i < rows.size(); ++i) {
    sum += rows[i].seconds;
    CHECK(rows[i].seconds >= 0);
    if (i > 0) CHECK(rows[i].seconds <= rows[i - 1].seconds);
  }
  CHECK(sum == doctest::Approx(profile.seconds()));
  REQUIRE(find(rows, "number", Profile::Phase::Other) != nullptr);
  CHECK(find(rows, "number", Profile::Phase::Other)->calls == 2);
  CHECK(find(rows, "not in an op", Profile::Phase::Other) != nullptr);
}

TEST_CASE("profile: the average of the weights is one row, not also the ops in it") {
  Parameters parameters{1, DType::Float64};
  parameters.root().parameter("a", {3}, normal(1));
  Average average(parameters, 0.9);
  Profile profile;
  {
    const Profile::Step step(profile);
    measured("average", [&] { average.update(); });
  }
  const std::vector<Profile::Row> rows = profile.rows();
  REQUIRE(rows.size() == 2);
  CHECK(find(rows, "average", Profile::Phase::Other) != nullptr);
  CHECK(find(rows, "not in an op", Profile::Phase::Other)->seconds >= 0);
}

TEST_CASE("profile: outside a step nothing is recorded") {
  Profile profile;
  small_graph();
  CHECK(measured("number", [] { return 7; }) == 7);
  { const Profile::Step step(profile); }
  small_graph();
  CHECK(Profile::current() == nullptr);
  REQUIRE(profile.rows().size() == 1);
  CHECK(profile.rows()[0].name == "not in an op");
}

TEST_CASE("profile: an inner step measures for itself, and an exception ends it") {
  Profile outer, inner;
  {
    const Profile::Step step(outer);
    try {
      const Profile::Step nested(inner);
      small_graph();
      fail("stop");
    } catch (const Error&) {
    }
    CHECK(Profile::current() == &outer);
  }
  CHECK(outer.rows().size() == 1);
  CHECK(inner.rows().size() > 4);
}

TEST_CASE("profile: results are the same bits") {
  const std::vector<Tensor> without = small_graph();
  Profile profile;
  const Profile::Step step(profile);
  const std::vector<Tensor> with = small_graph();
  for (size_t i = 0; i < with.size(); ++i) CHECK(to_vector(with[i]) == to_vector(without[i]));
}

TEST_CASE("profile: the CSV file has a row for each row, and its shares add up to one") {
  Profile profile;
  {
    const Profile::Step step(profile);
    small_graph();
  }
  const auto table = cells(profile_csv(profile));
  REQUIRE(table.size() == profile.rows().size() + 1);
  CHECK(table[0] ==
        std::vector<std::string>{"name", "phase", "steps", "calls", "seconds", "share", "bytes"});
  double share = 0, seconds = 0;
  for (size_t i = 1; i < table.size(); ++i) {
    REQUIRE(table[i].size() == 7);
    CHECK(table[i][2] == "1");
    seconds += std::stod(table[i][4]);
    share += std::stod(table[i][5]);
  }
  CHECK(share == doctest::Approx(1).epsilon(1e-4));
  CHECK(seconds == doctest::Approx(profile.seconds()).epsilon(1e-3));
  CHECK(contains(profile_table(profile), "linear"));
  CHECK(contains(profile_table(Profile()), "share"));
}

TEST_CASE("bench: the floor of a fused op counts the products of its composition") {
  const auto flops = [](const auto& run) {
    Tape tape;
    tape.describe_ops();
    run();
    return bench::gemm_flops(tape);
  };
  const auto leaf = [](Shape shape) { return Variable::leaf(random64(shape, 1)); };
  const Variable x = leaf({2, 7, 5}), W1 = leaf({4, 5}), W2 = leaf({4, 5}), W3 = leaf({3, 4});
  const Variable b1 = leaf({4}), b2 = leaf({4}), b3 = leaf({3});
  const double maps = 2.0 * 14 * 5 * 4, out = 2.0 * 14 * 4 * 3;
  CHECK(flops([&] { linear(x, W1, b1); }) == maps);
  CHECK(flops([&] { matmul(x, transposed(W1)); }) == maps);
  const Variable a = linear(x, W1, b1), b = linear(x, W2, b2);
  CHECK(flops([&] { gated_linear(a, b, W3, b3, {}); }) == out);
  CHECK(flops([&] { gated_linear_unit(x, {W1, b1, W2, b2, W3, b3}, {}); }) == 2 * maps + out);
}
