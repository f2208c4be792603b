// Sums with inputs that arrive one at a time: every way against the definition.
#include <cmath>
#include <functional>

#include "core/conv/spectral_conv.h"
#include "core/fft/fft.h"
#include "core/random.h"
#include "layers/generation/causal_sum.h"
#include "layers/operators/ski_tno.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

using Rows = std::vector<std::vector<double>>;  // (n, channels)

Rows rows_of(const Tensor& x) {
  const std::vector<double> all = to_vector(x);
  Rows rows;
  for (int64_t i = 0; i < x.size(0); ++i)
    rows.emplace_back(all.begin() + i * x.size(1), all.begin() + (i + 1) * x.size(1));
  return rows;
}

// y[i] = sum_l t[l] x[i-l], older inputs first.
Rows by_definition(const Tensor& kernel, const Rows& x) {
  const Rows t = rows_of(kernel);
  Rows y;
  for (size_t i = 0; i < x.size(); ++i) {
    std::vector<double> sum(x[i].size(), 0);
    for (size_t l = std::min(i + 1, t.size()); l-- > 0;)
      for (size_t c = 0; c < sum.size(); ++c) sum[c] += t[l][c] * x[i - l][c];
    y.push_back(sum);
  }
  return y;
}

template <class T>
std::vector<T> stepped(CausalSum<T>& sum, const std::vector<double>& x) {
  const std::vector<T> input(x.begin(), x.end());
  std::vector<T> y(x.size());
  sum.step(input.data(), y.data());
  Tensor scratch({sum.scratch_bytes() / 4 + 1}, DType::Int32);
  for (int64_t part = 0; part < sum.parts(); ++part) sum.between_steps(part, scratch.raw());
  return y;
}

template <class T>
Rows run(CausalSum<T>& sum, const Rows& x) {
  Rows y;
  for (const std::vector<double>& row : x) {
    const std::vector<T> out = stepped(sum, row);
    y.emplace_back(out.begin(), out.end());
  }
  return y;
}

template <class T>
void take(CausalSum<T>& sum, const Rows& x) {
  std::vector<T> flat;
  for (const auto& row : x) flat.insert(flat.end(), row.begin(), row.end());
  sum.take(flat.data(), int64_t(x.size()));
}

double largest(const Rows& a) {
  double value = 0;
  for (const auto& row : a)
    for (const double v : row) value = std::max(value, std::abs(v));
  return value;
}
double difference(const Rows& a, const Rows& b) {
  REQUIRE(a.size() == b.size());
  double value = 0;
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t c = 0; c < a[i].size(); ++c) value = larger(value, std::abs(a[i][c] - b[i][c]));
  return value;
}

Rows after(const Rows& x, size_t n) { return Rows(x.begin() + std::ptrdiff_t(n), x.end()); }
Rows before(const Rows& x, size_t n) { return Rows(x.begin(), x.begin() + std::ptrdiff_t(n)); }

Rows inputs(int64_t n, int64_t channels, uint64_t seed = 2) {
  return rows_of(random_normal({n, channels}, DType::Float64, seed));
}
Tensor decaying(int64_t lags, int64_t channels, double gamma = 0.97) {
  Tensor t = random_normal({lags, channels}, DType::Float64, 1);
  for (int64_t l = 0; l < lags; ++l)
    for (int64_t c = 0; c < channels; ++c)
      t.data<double>()[l * channels + c] *= std::pow(gamma, double(l));
  return t;
}

// Points of falling size, a filter of 3 lags.
LinearPieces some_pieces(int64_t r, double distance, int64_t lags, int64_t channels) {
  return {.points = decaying(r, channels, 0.9),
          .filter = random_normal({std::min(lags, int64_t(3)), channels}, DType::Float64, 5),
          .distance = distance,
          .lags = lags};
}
Tensor kernel_of(const LinearPieces& k) {
  const int64_t D = k.points.size(1);
  const Rows points = rows_of(k.points), filter = rows_of(k.filter);
  Tensor t({k.lags, D}, DType::Float64);
  for (int64_t l = 0; l < k.lags; ++l) {
    const size_t j = std::min(size_t(double(l) / k.distance), points.size() - 2);
    const double w = double(l) / k.distance - double(j);
    for (size_t c = 0; c < size_t(D); ++c)
      t.data<double>()[size_t(l * D) + c] = (1 - w) * points[j][c] + w * points[j + 1][c] +
                                            (size_t(l) < filter.size() ? filter[size_t(l)][c] : 0);
  }
  return t;
}

constexpr int64_t kLags[] = {1, 2, 3, 16, 17, 64, 100, 512};

}  // namespace

TEST_CASE("causal sum: the ring is the definition, and direct tiles have its bits") {
  for (const int64_t lags : kLags) {
    CAPTURE(lags);
    for (const int64_t channels : {1, 37}) {
      if (lags == 512 && channels > 1) continue;
      const Tensor kernel = decaying(lags, channels);
      const Rows x = inputs(3 * lags + 5, channels), expected = by_definition(kernel, x);
      const CausalSumPtr<double> dense = dense_sum<double>(kernel);
      const Rows y = run(*dense, x);
      CHECK(difference(y, expected) < 1e-13 * largest(expected));
      for (const int64_t block : {1, 2, 16}) {
        CAPTURE(block);
        const CausalSumPtr<double> online =
            online_sum<double>(kernel, {.block = block, .direct = 1024});
        CHECK(difference(run(*online, x), y) == 0);
      }
    }
  }
}

TEST_CASE(
    "causal sum: tiles by FFT are the definition, in both types, for channels of any number") {
  for (const int64_t lags : kLags) {
    CAPTURE(lags);
    const int64_t channels = lags == 512 ? 5 : 37;
    const Tensor kernel = decaying(lags, channels);
    const Rows x = inputs(3 * lags + 5, channels), expected = by_definition(kernel, x);
    const std::pair<int, int> all_sizes[] = {{1, 1024}, {2, 1024}, {16, 1024}, {1, 1}, {16, 32}};
    for (const std::pair<int, int>& sizes : all_sizes) {
      const int block = sizes.first, near = sizes.second;
      CAPTURE(block);
      CAPTURE(near);
      const OnlineOptions smallest{.block = block, .direct = 1, .near = near};
      const CausalSumPtr<double> sum = online_sum<double>(kernel, smallest);
      CHECK(difference(run(*sum, x), expected) < 1e-11 * largest(expected));
      const CausalSumPtr<float> single = online_sum<float>(kernel.to(DType::Float32), smallest);
      CHECK(difference(run(*single, x), expected) < 2e-5 * largest(expected));
    }
  }
}

TEST_CASE("causal sum: online uses every pair of an input and an output exactly once") {
  // Input j is 2^j and the kernel 1, so an output says in binary which inputs it has, and how
  // often.
  for (const int64_t lags : {1, 2, 3, 7, 16, 17, 40}) {
    for (const int64_t block : {1, 2, 4, 16}) {
      CAPTURE(lags);
      CAPTURE(block);
      Tensor ones({lags, 1}, DType::Float64);
      std::fill_n(ones.data<double>(), lags, 1.0);
      const CausalSumPtr<double> sum = online_sum<double>(ones, {.block = block, .direct = 1024});
      for (int64_t i = 0; i < 50; ++i) {
        const double y = stepped(*sum, {std::ldexp(1.0, int(i))})[0];
        const int64_t first = std::max(int64_t(0), i - lags + 1);
        CHECK(y == std::ldexp(1.0, int(i + 1)) - std::ldexp(1.0, int(first)));
      }
    }
  }
}

TEST_CASE("causal sum: online uses every pair exactly once, whichever way it adds them") {
  // Ones at lags 0 .. M-1, and a single input that is not 0.
  constexpr int64_t kChannels = 37, kSteps = 160;
  for (const int64_t lags : {33, 40, 70}) {
    Tensor ones({lags, kChannels}, DType::Float64);
    std::fill_n(ones.data<double>(), lags * kChannels, 1.0);
    const CausalSumPtr<double> sum =
        online_sum<double>(ones, {.block = 2, .direct = 8, .near = 16});
    for (int64_t j = 0; j < kSteps; ++j) {
      CAPTURE(lags);
      CAPTURE(j);
      sum->reset();
      Rows x(size_t(kSteps), std::vector<double>(kChannels, 0.0));
      x[size_t(j)].assign(kChannels, 1.0);
      Rows expected(size_t(kSteps), std::vector<double>(kChannels, 0.0));
      for (int64_t i = j; i < std::min(j + lags, kSteps); ++i)
        expected[size_t(i)].assign(kChannels, 1.0);
      CHECK(difference(run(*sum, x), expected) < 1e-9);
    }
  }
}

TEST_CASE("causal sum: parts may run in any order, to the same bits") {
  constexpr int64_t kChannels = 150;
  const Tensor kernel = decaying(100, kChannels).to(DType::Float32);
  std::vector<float> y[2];
  for (const bool backwards : {false, true}) {
    const CausalSumPtr<float> sum =
        online_sum<float>(kernel, {.block = 1, .direct = 8, .near = 16});
    const Tensor scratch({sum->scratch_bytes() / 4 + 16}, DType::Int32);
    std::vector<float> row(kChannels);
    for (const std::vector<double>& x : inputs(250, kChannels)) {
      const std::vector<float> single(x.begin(), x.end());
      sum->step(single.data(), row.data());
      y[backwards].insert(y[backwards].end(), row.begin(), row.end());
      const int64_t parts = sum->parts();
      for (int64_t p = 0; p < parts; ++p)
        sum->between_steps(backwards ? parts - 1 - p : p, const_cast<void*>(scratch.raw()));
    }
  }
  CHECK((y[0] == y[1]));
}

TEST_CASE("causal sum: the work of far lags is divided among the steps") {
  const Tensor kernel = decaying(4096, 128);
  const auto largest_work = [&](int64_t near) {
    const CausalSumPtr<double> sum = online_sum<double>(kernel, {.near = near});
    int64_t most = 0;
    for (const std::vector<double>& x : inputs(8192, 128)) {
      std::vector<double> y(128);
      sum->step(x.data(), y.data());
      most = std::max(most, sum->work());
    }
    return most;
  };
  CHECK(largest_work(64) * 10 < largest_work(4096));
}

TEST_CASE("causal sum: the product of the specification, whichever way") {
  const Tensor t = tensor_of(std::vector<double>{1.5, -0.5, 0.25, 3}, {4, 1});
  const Rows x{{1}, {-2}, {0.5}, {4}}, expected{{1.5}, {-3.5}, {2}, {8.25}};
  CHECK(difference(run(*dense_sum<double>(t), x), expected) == 0);
  CHECK(difference(run(*online_sum<double>(t, {.block = 1}), x), expected) < 1e-14);
  CHECK(difference(run(*state_sum<double>(state_kernel(t, 1, 3)), x), expected) < 1e-12);
  CHECK(difference(run(*etsc_sum<double>(t, 0.9), x), expected) < 1e-13);
}

TEST_CASE("causal sum: states of a kernel that is not finite are refused") {
  for (const double bad : {INFINITY, -INFINITY, NAN}) {
    const Tensor t = tensor_of(std::vector<double>{1, 2, 3, 4, 5, 6, 7, bad}, {4, 2});
    CHECK_THROWS_WITH_AS(state_kernel(t, 1, 2), doctest::Contains("not finite"), NumericalError);
  }
}

TEST_CASE("causal sum: a text that is taken at once leaves what its steps leave") {
  constexpr int64_t kChannels = 37;
  for (const int64_t lags : {1, 2, 17, 100}) {
    const Tensor kernel = decaying(lags, kChannels, 0.9);
    const LinearPieces pieces =
        some_pieces(5, double(std::max(lags - 1, int64_t(1))) / 4, lags, kChannels);
    const StateKernel states = state_kernel(kernel, 8, 4);
    struct Way {
      std::string name;
      std::function<CausalSumPtr<double>()> make;
    };
    const std::vector<Way> ways = {
        {"dense", [&] { return dense_sum<double>(kernel); }},
        {"online", [&] { return online_sum<double>(kernel, {.block = 2, .direct = 8}); }},
        {"far lags",
         [&] { return online_sum<double>(kernel, {.block = 2, .direct = 8, .near = 16}); }},
        {"prefix", [&] { return prefix_sum<double>(pieces); }},
        {"states", [&] { return state_sum<double>(states); }},
        {"etsc", [&] { return etsc_sum<double>(kernel, 0.97); }}};
    for (const Way& way : ways) {
      CAPTURE(way.name);
      CAPTURE(lags);
      const Rows x = inputs(4 * lags + 40, kChannels);
      const Rows expected = run(*way.make(), x);
      for (const int64_t taken : {int64_t(0), int64_t(1), lags - 1, lags, lags + 1, 2 * lags + 3}) {
        CAPTURE(taken);
        const auto n = size_t(taken);
        const CausalSumPtr<double> sum = way.make();
        take(*sum, before(x, n));
        CHECK(difference(run(*sum, after(x, n)), after(expected, n)) < 1e-11 * largest(expected));
        // In two pieces; and again after some steps.
        const CausalSumPtr<double> pieces_of_it = way.make();
        take(*pieces_of_it, before(x, n / 2));
        take(*pieces_of_it, after(before(x, n), n / 2));
        run(*pieces_of_it, after(before(x, n + 7), n));
        take(*pieces_of_it, after(before(x, n + 20), n + 7));
        CHECK(difference(run(*pieces_of_it, after(x, n + 20)), after(expected, n + 20)) <
              1e-11 * largest(expected));
      }
    }
  }
}

TEST_CASE("causal sum: a copy goes on for itself, and a reset starts anew") {
  const Tensor kernel = decaying(70, 37);
  const auto check = [&](const CausalSumPtr<double>& sum) {
    const Rows first = inputs(90, 37, 3), a = inputs(40, 37, 4), b = inputs(40, 37, 5);
    const Rows once = run(*sum, first);
    const CausalSumPtr<double> other = sum->copy();
    Rows of_a, of_b;
    for (size_t i = 0; i < a.size(); ++i) {  // by turns
      of_a.push_back(stepped(*sum, a[i]));
      of_b.push_back(stepped(*other, b[i]));
    }
    sum->reset();
    CHECK(difference(run(*sum, first), once) == 0);
    CHECK(difference(run(*sum, a), of_a) == 0);
    other->reset();
    run(*other, first);
    CHECK(difference(run(*other, b), of_b) == 0);
  };
  check(dense_sum<double>(kernel));
  check(online_sum<double>(kernel, {.block = 1, .direct = 8}));
  check(online_sum<double>(kernel, {.block = 1, .direct = 8, .near = 16}));
  check(prefix_sum<double>(some_pieces(4, 5, 16, 37)));
  check(state_sum<double>(state_kernel(kernel, 4, 3)));
  check(etsc_sum<double>(kernel, 0.97));
}

TEST_CASE("causal sum: what is right at first is right after ten times the lags") {
  constexpr int64_t kLagsHere = 48;
  const LinearPieces pieces = some_pieces(6, 10, kLagsHere, 2);
  const Tensor kernel = kernel_of(pieces);
  const Rows x = inputs(10 * kLagsHere, 2), expected = by_definition(kernel, x);
  for (const CausalSumPtr<double>& sum :
       {dense_sum<double>(kernel), online_sum<double>(kernel, {.block = 4, .direct = 8}),
        online_sum<double>(kernel, {.block = 4, .direct = 8, .near = 16}),
        prefix_sum<double>(pieces)})
    CHECK(difference(run(*sum, x), expected) < 1e-11 * largest(expected));
}

TEST_CASE(
    "causal sum: prefix sums are SKI, at whole and broken distances, and however long the text") {
  struct Sizes {
    int64_t r;
    double distance;
    int64_t lags;
  };
  for (const Sizes& sizes : {Sizes{3, 2, 5}, Sizes{2, 1, 1}, Sizes{2, 1, 2}, Sizes{5, 3.75, 16},
                             Sizes{64, 511.0 / 63, 512}, Sizes{9, 2.5, 11}}) {
    const int64_t r = sizes.r, lags = sizes.lags;
    const double distance = sizes.distance;
    CAPTURE(r);
    CAPTURE(lags);
    const LinearPieces pieces = some_pieces(r, distance, lags, 3);
    const Rows x = inputs(3 * lags + 5, 3), expected = by_definition(kernel_of(pieces), x);
    CHECK(difference(run(*prefix_sum<double>(pieces), x), expected) < 1e-11 * largest(expected));
  }
  const LinearPieces golden{.points = tensor_of(std::vector<double>{2, 1, -1}, {3, 1}),
                            .filter = tensor_of(std::vector<double>{0.1, -0.2}, {2, 1}),
                            .distance = 2,
                            .lags = 5};
  CHECK(difference(rows_of(kernel_of(golden)), {{2.1}, {1.3}, {1}, {0}, {-1}}) < 1e-14);
  CHECK(difference(run(*prefix_sum<double>(golden), {{1}, {-1}, {2}, {0}, {0.5}, {3}}),
                   {{2.1}, {-0.8}, {3.9}, {1.6}, {2.05}, {7.95}}) < 1e-14);
  // An epoch has 4096 inputs. An output depends on the last inputs only.
  const LinearPieces pieces = some_pieces(6, 6.2, 32, 1);
  const CausalSumPtr<double> sum = prefix_sum<double>(pieces);
  const Rows x = inputs(140000, 1);
  const auto right = [&](const Rows& y, size_t first) {
    const Rows inputs = before(after(x, first - 32), 32 + y.size());
    const Rows expected = after(by_definition(kernel_of(pieces), inputs), 32);
    CHECK(difference(y, expected) < 1e-10 * largest(expected));
  };
  take(*sum, before(x, 4080));
  right(run(*sum, after(before(x, 4180), 4080)), 4080);
  take(*sum, after(before(x, x.size() - 48), 4180));
  right(run(*sum, after(x, x.size() - 48)), x.size() - 48);
}

TEST_CASE("causal sum: ETSC is the kernel at its lags, and its decayed repetition beyond") {
  const Tensor t = tensor_of(std::vector<double>{1, -0.45, 0.2025, 1.458}, {4, 1});
  Rows impulse(11, {0.0});
  impulse[0] = {1};
  CHECK(difference(run(*etsc_sum<double>(t, 0.9), impulse), {{1},
                                                             {-0.45},
                                                             {0.2025},
                                                             {1.458},
                                                             {-1.804275},
                                                             {0.59049},
                                                             {-0.26572050},
                                                             {0.119574225},
                                                             {0.8609344200},
                                                             {-1.06540634},
                                                             {0.348678440}}) < 1e-8);
  const Rows y = run(*etsc_sum<double>(t, 0.9), {{1}, {-2}, {0.5}, {4}, {0}, {0}, {1}});
  CHECK(difference(y, {{1}, {-2.45}, {1.6025}, {4.828}, {-6.419025}, {5.73804}, {4.483162}}) <
        1e-6);
  for (const int64_t lags : {1, 2, 9, 64}) {
    const Tensor kernel = decaying(lags, 3);
    const Rows x = inputs(lags, 3), expected = by_definition(kernel, x);
    CHECK(difference(run(*etsc_sum<double>(kernel, 0.97), x), expected) <
          1e-12 * largest(expected));
  }
}

TEST_CASE("states: a kernel with three poles is found with three states") {
  constexpr int64_t kHere = 200, kChannels = 17;
  Tensor t({kHere, kChannels}, DType::Float64);
  for (int64_t l = 0; l < kHere; ++l)
    for (int64_t c = 0; c < kChannels; ++c)
      t.data<double>()[l * kChannels + c] = std::pow(0.8, double(l)) -
                                            0.5 * std::pow(-0.7, double(l)) +
                                            double(c + 1) * std::pow(0.9, double(l));
  for (const int64_t exact : {0, 1, 8}) {
    const StateKernel three = state_kernel(t, exact, 3);
    CHECK(difference(rows_of(kernel_of(three, kHere)), rows_of(t)) < 1e-6);
    CHECK(difference(rows_of(kernel_of(state_kernel(t, exact, 2), kHere)), rows_of(t)) > 1e-3);
    // More states than there are poles change nothing.
    CHECK(difference(rows_of(kernel_of(state_kernel(t, exact, 6), kHere)), rows_of(t)) < 1e-6);
  }
}

TEST_CASE("states: the printed error bounds every output, and falls with the states") {
  const Tensor t = decaying(300, 20, 0.96);
  const Rows x = inputs(900, 20), expected = by_definition(t, x);
  double worst_before = INFINITY;
  for (const int64_t s : {0, 2, 8, 64}) {
    CAPTURE(s);
    const StateKernel states = state_kernel(t, 16, s);
    const Rows y = run(*state_sum<double>(states), x);
    const std::vector<double> error = to_vector(states.error);
    double worst = 0;
    for (size_t c = 0; c < 20; ++c) {
      double off = 0, input = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        off = larger(off, std::abs(y[i][c] - expected[i][c]));
        input = std::max(input, std::abs(x[i][c]));
      }
      CHECK(off <= error[c] * input * (1 + 1e-9) + 1e-12);
      worst = std::max(worst, error[c]);
    }
    CHECK(worst < worst_before);
    worst_before = worst;
  }
  // The Hankel singular values fall.
  const Rows hankel = rows_of(state_kernel(t, 16, 8).hankel);
  for (size_t s = 1; s < hankel.size(); ++s) CHECK(hankel[s][0] <= hankel[s - 1][0]);
}

TEST_CASE("states: the kernel of the states is what their sum computes") {
  const StateKernel states = state_kernel(decaying(100, 3, 0.95), 5, 4);
  Rows impulse(60, std::vector<double>(3, 0.0));
  impulse[0] = {1, 1, 1};
  CHECK(difference(run(*state_sum<double>(states), impulse), rows_of(kernel_of(states, 60))) <
        1e-12);
}

TEST_CASE("fixed spectrum: adds what spectral_conv gives, for any number of channels") {
  for (const int64_t F : {32, 64, 256}) {
    for (const int64_t channels : {1, 16, 21}) {
      CAPTURE(F);
      CAPTURE(channels);
      const int64_t n = F / 2;
      const Tensor x = random_normal({n, channels}, DType::Float64, 1);
      const Tensor S = fft::r2c(random_normal({F, channels}, DType::Float64, 2), F, 0);
      const Tensor expected = spectral_conv_forward(x, S, F, 0);
      Tensor y = random_normal({n, channels}, DType::Float64, 3);
      const Rows start = rows_of(y);
      const FixedSpectrum<double> fixed(S, F);
      Tensor scratch({fixed.scratch_bytes(n) / 4}, DType::Int32);
      for (int64_t block = 0; block < fixed.blocks(); ++block)
        fixed.add(block, x.data<double>(), y.data<double>(), n, scratch.raw());
      Rows sum = rows_of(y);
      for (size_t i = 0; i < sum.size(); ++i)
        for (size_t c = 0; c < sum[i].size(); ++c) sum[i][c] -= start[i][c];
      CHECK(difference(sum, rows_of(expected)) < 1e-12 * largest(rows_of(expected)));
    }
  }
}

TEST_CASE("causal sum: wrong kernels and options are refused") {
  const Tensor kernel = decaying(4, 2);
  CHECK_THROWS_WITH_AS(online_sum<double>(kernel, {.block = 3}), doctest::Contains("powers of two"),
                       UsageError);
  CHECK_THROWS_WITH_AS(online_sum<double>(kernel, {.direct = 0}),
                       doctest::Contains("powers of two"), UsageError);
  CHECK_THROWS_WITH(dense_sum<float>(kernel), doctest::Contains("float32 (lags, channels)"));
  CHECK_THROWS_WITH_AS(etsc_sum<double>(kernel, 0), doctest::Contains("(0, 1]"), UsageError);
  CHECK_THROWS_WITH_AS(state_kernel(kernel, -1, 2), doctest::Contains("must not be negative"),
                       UsageError);
  LinearPieces short_one = some_pieces(3, 2, 5, 2);
  short_one.lags = 6;
  CHECK_THROWS_WITH(prefix_sum<double>(short_one), doctest::Contains("do not serve 6 lags"));
}
