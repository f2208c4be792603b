// Checks a planted bug for `make mutants`: this program is linked with the mutated object. The op's
// gradient check runs first, then the tests of the ops, until one fails.
// Run:     check PATCH            one JSON object: what caught the bug, and by how much
//          check --clean          everything must pass on the source as it is
//          check --summary FILE.. a table; exit code 1 unless every bug was caught, every op has
//                                 one and there are at least 40
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "autograd/gradcheck.h"

namespace {

using nlohmann::ordered_json;

struct Finding {
  std::string check, where;
  double error = 0, limit = 0;
};

// ---- the tests: the first assertion that fails ----

bool any_failed = false;
Finding first_failure;

// "0.53 < 1e-12" -> how far, and the limit; 1 and 0 where an assertion compares no two numbers.
void take_numbers(const std::string& text, Finding& found) {
  found.error = 1;
  for (const char* sign : {" < ", " <= ", " == "}) {
    const size_t at = text.find(sign);
    if (at == std::string::npos) continue;
    char *end_left = nullptr, *end_right = nullptr;
    const std::string left = text.substr(0, at), right = text.substr(at + std::strlen(sign));
    const double a = std::strtod(left.c_str(), &end_left),
                 b = std::strtod(right.c_str(), &end_right);
    if (left.empty() || right.empty() || *end_left != '\0' || *end_right != '\0') continue;
    const bool equality = std::strcmp(sign, " == ") == 0;
    found.error = equality ? std::abs(a - b) : a;
    found.limit = equality ? 0 : b;
    return;
  }
}

struct FirstFailure : doctest::IReporter {
  explicit FirstFailure(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData& data) override { name_ = data.m_name; }
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException& e) override {
    note(e.error_string.c_str(), {});
  }
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& data) override {
    if (data.m_failed) note(data.m_expr, data.m_threw ? "" : data.m_decomp.c_str());
  }
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

 private:
  void note(const std::string& expression, const std::string& values) {
    if (any_failed) return;
    any_failed = true;
    first_failure.check = "test: " + name_;
    first_failure.where = expression;
    take_numbers(values, first_failure);
  }
  std::string name_;
};
REGISTER_LISTENER("first failure", 1, FirstFailure);

// The tests of what is no op: the names of their cases.
const std::map<std::string, const char*> kTestsOf = {
    {"tape", "*"},
    {"generation", "causal sum*,causal taps*,states*,generator*,choice*,tno: equals*"},
    {"language", "windows*,corpus*"},
    {"shards", "shards*,gradients*"},
    {"exchange", "exchange*"},
    {"tuning", "average*,optim: a group*,tno: a spectrum*,kernel inputs*,batches by tokens*"},
};

// of: what a patch changes, or "" for all tests. An op has tests of its own.
bool tests_fail(const std::string& of, Finding& found) {
  doctest::Context context;
  if (const auto tests = kTestsOf.find(of); tests != kTestsOf.end())
    context.addFilter("test-case", tests->second);
  else if (!of.empty())
    for (const char* other : {"generation", "language"})
      context.addFilter("test-case-exclude", kTestsOf.at(other));
  context.setOption("abort-after", 1);
  context.setOption("out", "/dev/null");
  context.run();
  found = first_failure;
  return any_failed;
}

// ---- the gradient check ----

bool gradcheck_fails(const skiff::OpEntry& op, Finding& found) {
  const skiff::GradcheckLimits limits;
  const skiff::GradcheckResult r = skiff::gradcheck(op, limits);
  if (r.passed) return false;
  found.where = r.worst;
  const auto is = [&](const char* name, double error, double limit) {
    if (error <= limit) return false;
    found.check = std::string("gradcheck: ") + name;
    found.error = std::isfinite(error) ? error : 1e300;
    found.limit = limit;
    return true;
  };
  if (!is("adjoint", r.adjoint, limits.adjoint) &&
      !is("differences", r.difference, limits.difference) &&
      !is("float32", r.precision, limits.precision)) {
    found.check = "gradcheck";
    found.error = 1;
  }
  return true;
}

const skiff::OpEntry* op_named(const std::string& name) {
  for (const skiff::OpEntry& op : skiff::op_table())
    if (op.name == name) return &op;
  return nullptr;
}

// ---- a patch ----

struct Patch {
  std::string name, op, what, file, old_lines, new_lines;
  bool report = false;
};

Patch read_patch(const std::string& path) {
  std::ifstream in(path);
  skiff::check<skiff::DataError>(bool(in), "cannot open '", path, "'");
  Patch p;
  bool diff = false;
  for (std::string line; std::getline(in, line);) {
    const auto header = [&](const char* key, std::string& value) {
      if (!diff && line.starts_with(std::string(key) + ": "))
        value = line.substr(std::strlen(key) + 2);
    };
    std::string report;
    header("name", p.name), header("op", p.op), header("what", p.what), header("report", report);
    p.report = p.report || report == "yes";
    if (line.starts_with("+++ b/"))
      p.file = line.substr(6);
    else if (line.starts_with("@@"))
      diff = true;
    else if (diff && line.starts_with("-"))
      p.old_lines += line + "\n";
    else if (diff && line.starts_with("+"))
      p.new_lines += line + "\n";
  }
  skiff::check<skiff::DataError>(
      !p.name.empty() && !p.op.empty() && !p.what.empty() && !p.file.empty(), path,
      ": a patch needs the lines name:, op:, what: and one file");
  skiff::check<skiff::DataError>(kTestsOf.contains(p.op) || op_named(p.op), path, ": unknown op '",
                                 p.op, "'");
  return p;
}

// In a process of its own: a bug may end it.
ordered_json examine(const Patch& p) {
  int channel[2];
  skiff::check(::pipe(channel) == 0, "check: no pipe");
  const pid_t child = ::fork();
  skiff::check(child >= 0, "check: no process");
  if (child == 0) {
    ::alarm(120);
    Finding found;
    const bool caught =
        (op_named(p.op) && gradcheck_fails(*op_named(p.op), found)) || tests_fail(p.op, found);
    const std::string text = ordered_json{
        {"caught", caught},
        {"check", found.check},
        {"where", found.where},
        {"error", found.error},
        {"limit", found.limit}}.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
    const ssize_t written = ::write(channel[1], text.data(), text.size());
    ::_exit(written == ssize_t(text.size()) ? 0 : 1);
  }
  ::close(channel[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = ::read(channel[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, size_t(n));
  ::close(channel[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  ordered_json j{
      {"name", p.name}, {"op", p.op}, {"file", p.file}, {"what", p.what}, {"report", p.report}};
  if (text.empty()) {
    const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    j.update({{"caught", signal != 0 && signal != SIGALRM},
              {"check", signal == SIGALRM ? "the checks did not end"
                        : signal == 0     ? "the checks said nothing"
                                      : "the checks ended with signal " + std::to_string(signal)},
              {"where", ""},
              {"error", 1},
              {"limit", 0}});
  } else {
    j.update(ordered_json::parse(text));
  }
  j.update({{"old", p.old_lines}, {"new", p.new_lines}});
  return j;
}

int clean() {
  Finding found;
  bool ok = true;
  for (const skiff::OpEntry& op : skiff::op_table())
    if (gradcheck_fails(op, found)) ok = false;
  if (tests_fail("", found)) ok = false;
  if (!ok) {
    std::fprintf(stderr, "error: the checks fail without any mutant: %s, %s\n", found.check.c_str(),
                 found.where.c_str());
    return 1;
  }
  std::printf("the source as it is passes all checks\n");
  return 0;
}

int summary(int count, char** files) {
  std::set<std::string> missing;
  for (const skiff::OpEntry& op : skiff::op_table())
    if (op.name != "probe") missing.insert(op.name);  // of the tests
  int caught = 0;
  std::printf("%-20s %-38s %9s %7s  %s\n", "op", "planted bug", "error", "limit", "caught by");
  for (int i = 0; i < count; ++i) {
    std::ifstream in(files[i]);
    ordered_json j;
    try {
      j = ordered_json::parse(in);
    } catch (const nlohmann::json::exception& e) {
      skiff::fail<skiff::DataError>(files[i], ": not the result of a mutant: ", e.what());
    }
    const std::string op = j.at("op"), name = j.at("name"), check = j.at("check");
    missing.erase(op);
    caught += j.at("caught").get<bool>();
    std::printf(
        "%-20s %-38s %9.1e %7.0e  %s\n", op.c_str(), name.c_str(), j.at("error").get<double>(),
        j.at("limit").get<double>(),
        j.at("caught").get<bool>() ? check.c_str() : ("NOTHING: it survived; " + check).c_str());
  }
  for (const std::string& op : missing) std::printf("%-20s has no mutant\n", op.c_str());
  std::printf("%d of %d mutants caught\n", caught, count);
  if (count < 40) std::printf("at least 40 are needed\n");
  return caught == count && count >= 40 && missing.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string first = argc > 1 ? argv[1] : "";
  skiff::check<skiff::UsageError>(!first.empty(),
                                  "usage: check PATCH | --clean | --summary FILE..");
  if (first == "--clean") return clean();
  if (first == "--summary") return summary(argc - 2, argv + 2);
  std::printf("%s\n", examine(read_patch(first))
                          .dump(-1, ' ', false, ordered_json::error_handler_t::replace)
                          .c_str());
  return 0;
} catch (const skiff::Error& e) {
  std::fprintf(stderr, "error: %s\n", e.what());
  return e.exit_code();
}
