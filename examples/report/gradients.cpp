// Every op with its derivation, its checks, and the error of differences over the step.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "core/random.h"
#include "examples/explain/derivations.h"
#include "examples/report/sections.h"
#include "examples/report/template.h"

namespace skiff::report {
namespace {

using charts::Series;

// The operators of this project, which come first.
const std::vector<std::string> kMain = {"toeplitz",      "rfft",          "irfft",       "hilbert",
                                        "spectral_conv", "conv1d",        "interpolate", "ski",
                                        "warped_kernel", "linear_resize", "powers"};

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

bool differentiable(const Tensor& x) { return x && x.dtype() != DType::Int32; }

// A sample, a cotangent gy and a direction v drawn at random, and the slope <v, backward(gy)>.
struct Probe {
  OpSample sample;
  Tensor gy;
  std::vector<Tensor> v;
  double slope = 0, size = 0;

  Probe(const OpSample& s, uint64_t seed) : sample(s), v(s.inputs.size()) {
    std::vector<Variable> leaves;
    for (const Tensor& x : sample.inputs)
      leaves.push_back(differentiable(x) ? Variable::leaf(x) : Variable(x));
    Tape tape;
    const Variable y = sample.run(leaves);
    gy = random_normal(y.shape(), y.dtype(), seed, 100);
    tape.backward(y, gy);
    for (size_t i = 0; i < v.size(); ++i) {
      const Tensor& x = sample.inputs[i];
      if (!differentiable(x)) continue;
      v[i] = random_normal(x.shape(), x.dtype(), seed, i);
      const std::vector<double> direction = to_vector(v[i]), g = to_vector(leaves[i].grad());
      slope += dot(direction, g);
      size += std::sqrt(dot(direction, direction) * dot(g, g));
    }
  }
  double along(double h) const {  // <f(x + h v), gy>
    std::vector<Variable> moved;
    for (size_t i = 0; i < v.size(); ++i)
      moved.push_back(v[i] ? Variable(sample.inputs[i]) + h * Variable(v[i])
                           : Variable(sample.inputs[i]));
    return dot(to_vector(sample.run(moved).value()), to_vector(gy));
  }
};

// The relative error of (along(h) - along(-h)) / 2h against the slope.
Series difference_errors(const OpSample& sample, uint64_t seed) {
  const Probe probe(sample, seed);
  Series s;
  for (int half = 2; half <= 22; ++half) {
    const double h = std::pow(10, -half / 2.0);
    double error = NAN;
    try {
      error = std::abs((probe.along(h) - probe.along(-h)) / (2 * h) - probe.slope) /
              std::max(probe.size, 1e-300);
    } catch (const Error&) {  // a step that leaves what the op is defined for, as gamma > 1
    }
    s.x.push_back(h);
    s.y.push_back(std::max(error, 1e-17));
  }
  return s;
}

Series slope_guide(double factor, double power) {
  Series s;
  s.kind = Series::Guide;
  for (int half = 2; half <= 22; ++half) {
    const double h = std::pow(10, -half / 2.0);
    s.x.push_back(h), s.y.push_back(factor * std::pow(h, power));
  }
  return s;
}

// The formula of an op as MathML, for the operators of this project.
std::string formula_of(const std::string& op) {
  const auto found = templates().find("formula_" + op + ".html");
  return found == templates().end() ? "" : found->second;
}

class Cards {
 public:
  Cards(Page& page, uint64_t seed) : page_(page), seed_(seed) {
    for (const OpEntry& op : op_table()) ops_[op.name] = op;
  }

  // The derivation of a file beside the cards of its ops.
  std::string of(const Derivation& d) {
    const std::string text = "<h3 class=\"file\">" + escaped(d.file) + "</h3>\n" +
                             preformatted("Derivation in " + d.file, filled(d.text, 76));
    if (d.ops.size() == 1)
      return "<div class=\"op\"><div>" + text + "</div>" + card(d.ops.front()) + "</div>\n";
    std::string s = "<div class=\"op-group\">" + text + "<div class=\"cards\">\n";
    for (const std::string& name : d.ops) s += card(name);
    return s + "</div></div>\n";
  }

  void add_totals() const {
    const GradcheckLimits limits;
    page_.count("gradients.passed", passed_);
    page_.count("gradients.ops", all_);
    page_.number("gradients.worst-adjoint", worst_.adjoint, "%.1e");
    page_.number("gradients.limit-adjoint", limits.adjoint, "%.0e");
    page_.number("gradients.worst-difference", worst_.difference, "%.1e");
    page_.number("gradients.limit-difference", limits.difference, "%.0e");
    page_.number("gradients.worst-precision", worst_.precision, "%.1e");
    page_.number("gradients.limit-precision", limits.precision, "%.0e");
  }

 private:
  std::string card(const std::string& name) {
    const auto found = ops_.find(name);
    check(found != ops_.end(), "report: no program registers the op '", name, "'");
    const GradcheckResult r = gradcheck(found->second);
    const std::string key = "gradients." + name;
    ++all_;
    passed_ += r.passed;
    worst_.adjoint = std::max(worst_.adjoint, r.adjoint);
    worst_.difference = std::max(worst_.difference, r.difference);
    worst_.precision = std::max(worst_.precision, r.precision);
    Values local = {{"name", escaped(name)},
                    {"formula", formula_of(name)},
                    {"verdict", r.passed ? "<span class=\"pass\">passed</span>"
                                         : "<span class=\"fail\">FAILED</span>"},
                    {"adjoint", r.adjoint >= 0 ? page_.number(key + ".adjoint", r.adjoint, "%.1e")
                                               : "not linear"},
                    {"difference", page_.number(key + ".difference", r.difference, "%.1e")},
                    {"precision", page_.number(key + ".precision", r.precision, "%.1e")},
                    {"samples", page_.count(key + ".samples", r.samples)},
                    {"where", r.passed ? "" : "<p class=\"fail\">" + escaped(r.worst) + "</p>\n"}};
    draw(local, "curve",
         charts::Chart{.x_label = "step h",
                       .y_label = "relative error",
                       .series = {difference_errors(found->second.samples().front(), seed_),
                                  slope_guide(0.3, 2), slope_guide(3e-17, -1)},
                       .log_x = true,
                       .log_y = true,
                       .x0 = 1e-11,
                       .x1 = 0.1,
                       .y0 = 1e-17,
                       .y1 = 1,
                       .height = 200});
    return page_.render("card.html", local);
  }

  Page& page_;
  uint64_t seed_;
  std::map<std::string, OpEntry> ops_;
  int passed_ = 0, all_ = 0;
  GradcheckResult worst_ = {};
};

// "spectral" of "autograd/ops/spectral/rfft.cpp".
std::string family_of(const std::string& file) {
  const size_t end = file.rfind('/'), begin = file.rfind('/', end - 1) + 1;
  return file.substr(begin, end - begin);
}

std::string link_to(const std::string& op) {
  return "<li><a href=\"#op-" + escaped(op) + "\">" + escaped(op) + "</a></li>\n";
}

}  // namespace

void add_gradients(Page& page, uint64_t seed) {
  Cards cards(page, seed);
  std::set<std::string> shown;  // files
  std::string links, main, rest;
  for (const std::string& op : kMain) {
    const Derivation* d = derivation_of(op);
    check(d != nullptr, "report: no file derives the op '", op, "'");
    links += link_to(op);
    if (shown.insert(d->file).second) main += cards.of(*d);
  }
  std::map<std::string, std::vector<const Derivation*>> families;
  for (const Derivation& d : derivations())
    if (!shown.contains(d.file)) families[family_of(d.file)].push_back(&d);
  for (const auto& [family, files] : families) {
    std::string inside, names;
    for (const Derivation* d : files) {
      inside += cards.of(*d);
      for (const std::string& op : d->ops) names += (names.empty() ? "" : ", ") + op;
    }
    rest += "<details><summary>" + escaped(family + ": " + names) + "</summary>\n" + inside +
            "</details>\n";
  }
  cards.add_totals();
  page.set("gradients.links", links);
  page.set("gradients.main", main);
  page.set("gradients.rest", rest);
  page.set("gradients.legend",
           charts::legend({.series = {{.name = "error of the difference"},
                                      {.name = "slopes of h² (rising) and of 1/h (falling)",
                                       .kind = Series::Guide}}}));
}

}  // namespace skiff::report
