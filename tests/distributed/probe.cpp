// What several processes do together, without a model: run by tests/distributed/run under a
// launcher.
//   probe exchange SHARDS NUMBERS   the total has the bits of one process, on each
//   probe agree RANK                a stage fails on the processes from RANK on
//   probe steps FOLDER              steps until a signal asks to stop; FOLDER/RANK gets the pid
//   probe steps FOLDER fail RANK    the same; RANK throws at step 20
//   probe steps FOLDER kill RANK    RANK kills itself
//   probe steps FOLDER exit RANK    RANK leaves with exit(0), as a library might
//   probe divided BATCHES           each process scores its own, all add them in order
//   probe drift                     one number of process 1 is another one
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <thread>

#include "core/processes.h"
#include "core/random.h"
#include "examples/program/signals.h"
#include "examples/train/agreement.h"
#include "examples/train/divided.h"
#include "optim/exchange.h"

using namespace skiff;

namespace {

struct Record {
  int64_t shard;
  int stop;
};

Tensor gradient(int64_t shard, int64_t numbers) {
  return random_normal({numbers}, DType::Float32, uint64_t(shard + 1));
}

Tensor sum_of(Range shards, int64_t all, int64_t numbers, TreeSum& sum) {
  for (int64_t s = shards.first; s < shards.end; ++s) sum.add(s, gradient(s, numbers));
  return shards.size() == all ? sum.total() : Tensor();
}

bool step(Exchange& exchange, int64_t shards, int64_t numbers, const Tensor& expected) {
  Processes& all = processes();
  TreeSum sum(shards);
  sum_of(shards_of(all.rank(), all.size(), shards), shards, numbers, sum);
  const Tensor total = exchange(sum);
  return std::memcmp(total.raw(), expected.raw(), size_t(expected.bytes())) == 0;
}

Tensor expected_sum(int64_t shards, int64_t numbers) {
  TreeSum sum(shards);
  return sum_of({0, shards}, shards, numbers, sum);
}

void print_of_all(const std::string& said) {
  const std::vector<std::string> answers = gather(processes(), said);
  for (size_t p = 0; p < answers.size() && processes().rank() == 0; ++p)
    std::printf("process %zu: %s\n", p, answers[p].c_str());
}

int check_exchange(int64_t shards, int64_t numbers) {
  Processes& all = processes();
  Exchange exchange(all, shards);
  const Tensor expected = expected_sum(shards, numbers);
  const int64_t before = all.bytes_sent();
  const bool same = step(exchange, shards, numbers, expected);
  const auto bytes = double(all.bytes_sent() - before);
  const double formula = exchanged_bytes(all.rank(), all.size(), shards, double(expected.bytes()));
  const bool right_bytes = std::abs(bytes - formula) <= 4.0 * double(all.size() + 2 * shards);
  std::vector<Record> mine;
  const Range own = shards_of(all.rank(), all.size(), shards);
  for (int64_t s = own.first; s < own.end; ++s) mine.push_back({s, 0});
  const std::vector<Record> records = gather_shards<Record>(all, mine, shards);
  bool in_order = int64_t(records.size()) == shards;
  for (int64_t s = 0; in_order && s < shards; ++s) in_order = records[size_t(s)].shard == s;
  std::string word = all.rank() == 0 ? "a word of process 0" : "";
  broadcast(all, word);
  const std::string said = std::string(same ? "same bits" : "OTHER BITS") +
                           (right_bytes ? "" : ", OTHER BYTES") +
                           (in_order ? "" : ", records out of ORDER") +
                           (word == "a word of process 0" ? "" : ", another WORD");
  print_of_all(said);
  return 0;
}

int agree(int first) {
  Processes& all = processes();
  together(all, [] {});
  together(all, [&] { check<DataError>(all.rank() < first, "no data for ", all.rank()); });
  return 0;
}

int steps(const std::string& folder, const std::string& event, int who) {
  constexpr int64_t kShards = 4, kNumbers = 5000;
  Processes& all = processes();
  catch_stop_signals();
  Exchange exchange(all, kShards);
  const Tensor expected = expected_sum(kShards, kNumbers);
  std::ofstream(folder + "/" + std::to_string(all.rank())) << ::getpid() << "\n";
  for (int64_t at = 1;; ++at) {
    all.set_place("at step " + std::to_string(at));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    if (at == 20 && all.rank() == who) {
      if (event == "fail") fail<IoError>("cannot write 'checkpoint': the disk is full");
      if (event == "kill") std::raise(SIGKILL);
      if (event == "exit") std::exit(0);
    }
    const Range own = shards_of(all.rank(), all.size(), kShards);
    const std::vector<Record> mine(size_t(own.size()), Record{0, noted_signal()});
    int stop = 0;
    for (const Record& r : gather_shards<Record>(all, mine, kShards)) stop = std::max(stop, r.stop);
    check(step(exchange, kShards, kNumbers, expected), "other bits at step ", at);
    if (stop == 0) continue;
    if (all.rank() == 0) std::printf("saved after step %lld\n", (long long)at);
    return 128 + stop;
  }
}

int divide(int64_t batches) {
  const Processes& all = processes();
  int64_t at = 0, rounds = 0;
  bool right = true;
  const auto compute = [&](int64_t i) {
    return std::vector<double>(size_t(1 + i), double(all.rank()));
  };
  const auto add = [&](const std::vector<double>& numbers) {
    const auto owner = double(at % all.size());
    right = right && numbers == std::vector<double>(size_t(++at), owner);
  };
  const bool whole = divided(batches, compute, add, [&] { return ++rounds > 0; });
  right = right && whole && at == batches && rounds == (batches + all.size() - 1) / all.size();
  right = right && !divided(batches, compute, add, [] { return false; }) && at == batches;
  print_of_all(right ? "in order" : "OUT OF ORDER");
  return 0;
}

int drift() {
  Tensor state = gradient(0, 10);
  check_same_state({{"state", state}}, 6);
  if (processes().rank() == 1) state.data<float>()[9] += 1e-6f;
  check_same_state({{"state", state}}, 7);
  return 0;
}

int run(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (const char* limit = std::getenv("PROBE_TIMEOUT")) processes().set_timeout(std::atof(limit));
  if (what == "exchange" && argc == 4)
    return check_exchange(std::atoll(argv[2]), std::atoll(argv[3]));
  if (what == "agree" && argc == 3) return agree(std::atoi(argv[2]));
  if (what == "steps" && argc >= 3)
    return steps(argv[2], argc > 3 ? argv[3] : "", argc > 4 ? std::atoi(argv[4]) : -1);
  if (what == "divided" && argc == 3) return divide(std::atoll(argv[2]));
  if (what == "drift" && argc == 2) return drift();
  fail<UsageError>(
      "usage: probe exchange SHARDS NUMBERS | agree RANK | steps FOLDER [EVENT RANK] | "
      "divided BATCHES | drift");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int code = run(argc, argv);
    std::fflush(stdout);
    end_processes();
    return code;
  } catch (const AgreedError& error) {
    if (processes().rank() == 0) std::fprintf(stderr, "error: %s\n", error.what());
    end_processes();
    return error.exit_code();
  } catch (const Error& error) {
    end_all(processes(), error.what(), error.exit_code());
  }
}
