// The report's sections on gradients: every op with its derivation and its checks, the tape, and
// bugs planted on purpose with the check that catches each.
#pragma once

#include <fstream>
#include <map>

#include "autograd/gradcheck.h"
#include "core/random.h"
#include "examples/charts/figures.h"
#include "examples/explain/derivations.h"
#include "examples/explain/worked_examples.h"

namespace skiff::report {

using figure::Series;

// The error of (<f(x + h v), gy> - <f(x - h v), gy>) / 2h against <v, backward(gy)>, relative, for
// a direction v and a cotangent gy drawn at random.
inline Series difference_errors(const OpSample& sample, uint64_t seed) {
  Series s{"", {}, {}, 0, Series::Line};
  const auto differentiable = [](const Tensor& x) { return x && x.dtype() != DType::Int32; };
  std::vector<Variable> leaves;
  for (const Tensor& x : sample.inputs)
    leaves.push_back(differentiable(x) ? Variable::leaf(x) : Variable(x));
  Tensor gy;
  {
    Tape tape;
    const Variable y = sample.run(leaves);
    gy = random_normal(y.shape(), y.dtype(), seed, 100);
    tape.backward(y, gy);
  }
  const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  };
  std::vector<Tensor> v(sample.inputs.size());
  double slope = 0, size = 0;
  for (size_t i = 0; i < v.size(); ++i) {
    if (!differentiable(sample.inputs[i])) continue;
    v[i] = random_normal(sample.inputs[i].shape(), sample.inputs[i].dtype(), seed, i);
    const std::vector<double> direction = to_vector(v[i]), g = to_vector(leaves[i].grad());
    slope += dot(direction, g);
    size += std::sqrt(dot(direction, direction) * dot(g, g));
  }
  const auto along = [&](double h) {
    std::vector<Variable> moved;
    for (size_t i = 0; i < v.size(); ++i)
      moved.push_back(v[i] ? Variable(sample.inputs[i]) + h * Variable(v[i])
                           : Variable(sample.inputs[i]));
    return dot(to_vector(sample.run(moved).value()), to_vector(gy));
  };
  for (int half = 2; half <= 22; ++half) {
    const double h = std::pow(10, -half / 2.0);
    double error = NAN;
    try {
      error = std::abs((along(h) - along(-h)) / (2 * h) - slope) / std::max(size, 1e-300);
    } catch (const Error&) {  // a step that leaves what the op is defined for, as gamma > 1
    }
    s.x.push_back(h);
    s.y.push_back(std::max(error, 1e-17));
  }
  return s;
}

inline void add_gradients(Page& page, uint64_t seed) {
  page.section("gradients", "Gradients", "Gradients: every op, derived and checked");
  page.text(
      "An op stands in one file, under its derivation. The text beside each op is that comment, "
      "word for word. Three checks follow. The "
      "<em>adjoint</em> test: for a linear op ⟨A v, gy⟩ must equal ⟨v, A<sup>T</sup> gy⟩ to "
      "rounding, with no step size to choose. <em>Differences</em>: the slope "
      "of the forward, entry by entry. <em>float32</em> against float64.");
  page.text(
      "The curves show the error of a central difference along a random direction against its step "
      "h. To the right it falls with h², the "
      "truncation; to the left it rises with 1/h, the rounding, since two nearly equal numbers are "
      "subtracted. A linear op has no truncation. A wrong gradient would be a level line that no h "
      "brings down. A jump at the right end, as of relu, is a kink that a long step reaches.");
  Series truncation{"", {}, {}, 0, Series::Guide}, rounding{"", {}, {}, 0, Series::Guide};
  for (int half = 2; half <= 22; ++half) {
    const double h = std::pow(10, -half / 2.0);
    truncation.x.push_back(h), truncation.y.push_back(0.3 * h * h);
    rounding.x.push_back(h), rounding.y.push_back(3e-17 / h);
  }
  std::map<std::string, OpEntry> ops;
  for (const OpEntry& op : op_table()) ops[op.name] = op;
  const GradcheckLimits limits;
  int passed = 0, all = 0;
  double worst_adjoint = 0, worst_difference = 0, worst_precision = 0;
  std::string blocks;
  const auto card = [&](const std::string& name, const char* heading) {
    const auto found = ops.find(name);
    check(found != ops.end(), "report: no program registers the op '", name, "'");
    const GradcheckResult r = gradcheck(found->second, limits);
    const std::string key = "gradients." + name;
    ++all;
    passed += r.passed;
    worst_adjoint = std::max(worst_adjoint, r.adjoint);
    worst_difference = std::max(worst_difference, r.difference);
    worst_precision = std::max(worst_precision, r.precision);
    const Series curve = difference_errors(found->second.samples().front(), seed);
    return "<div class=\"card\"><" + std::string(heading) + "><code>" + html(name) +
           "</code> <span class=\"" + (r.passed ? "pass\">passed" : "fail\">FAILED") + "</span></" +
           heading + ">\n<dl><dt>adjoint</dt><dd>" +
           (r.adjoint >= 0 ? page.number(key + ".adjoint", r.adjoint, "%.1e")
                           : std::string("not linear")) +
           "</dd><dt>differences</dt><dd>" +
           page.number(key + ".difference", r.difference, "%.1e") + "</dd><dt>float32</dt><dd>" +
           page.number(key + ".precision", r.precision, "%.1e") + "</dd><dt>samples</dt><dd>" +
           page.count(key + ".samples", r.samples) + "</dd></dl>\n" +
           (r.passed ? "" : "<p class=\"fail\">" + html(r.worst) + "</p>") +
           figure::chart(
               {.caption = "",
                .label = "Error of the central difference of " + name + " against the step h.",
                .x_label = "step h",
                .y_label = "relative error",
                .series = {curve, truncation, rounding},
                .log_x = true,
                .log_y = true,
                .x0 = 1e-11,
                .x1 = 0.1,
                .y0 = 1e-17,
                .y1 = 1,
                .height = 200}) +
           "</div>\n";
  };
  for (const Derivation& d : derivations()) {
    const std::string text = Page::preformatted("Derivation in " + d.file, filled(d.text, 94));
    if (d.ops.size() == 1) {
      blocks += "<div class=\"op\"><div><h3 class=\"file\">" + html(d.file) + "</h3>" + text +
                "</div>" + card(d.ops.front(), "h4") + "</div>\n";
      continue;
    }
    blocks += "<div class=\"op-group\"><h3 class=\"file\">" + html(d.file) + "</h3>\n" + text +
              "<div class=\"cards\">\n";
    for (const std::string& name : d.ops) blocks += card(name, "h4");
    blocks += "</div></div>\n";
  }
  const std::string legend = "<ul class=\"legend\"><li>" +
                             figure::swatch({.name = "", .x = {}, .y = {}}) +
                             "error of the difference</li><li>" + figure::swatch(truncation) +
                             "slopes of h² (rising) and of 1/h (falling)</li></ul>\n";
  page.text("<strong>" + page.count("gradients.passed", passed) + " of " +
            page.count("gradients.ops", all) + " ops pass.</strong> Largest errors: adjoint " +
            page.number("gradients.worst-adjoint", worst_adjoint, "%.1e") + " (limit " +
            page.number("gradients.limit-adjoint", limits.adjoint, "%.0e") + "), differences " +
            page.number("gradients.worst-difference", worst_difference, "%.1e") + " (limit " +
            page.number("gradients.limit-difference", limits.difference, "%.0e") + "), float32 " +
            page.number("gradients.worst-precision", worst_precision, "%.1e") + " (limit " +
            page.number("gradients.limit-precision", limits.precision, "%.0e") + ").");
  page.raw(legend + blocks);
}

// ---- the tape ----

struct GraphNode {
  double x, y;
  std::string what, value, gradient;  // the two last ones are markup
  int order;                          // of its backward; 0: a leaf
  std::vector<int> inputs;            // indices of nodes, twice if used twice
};

inline std::string graph(const std::string& label, const std::string& caption, double height,
                         const std::vector<GraphNode>& nodes) {
  constexpr double w = 134, h = 56;
  std::string s = figure::svg_open(360, height, label);
  for (const GraphNode& n : nodes)
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      const GraphNode& from = nodes[size_t(n.inputs[i])];
      const bool twin = n.inputs.size() == 2 && n.inputs[0] == n.inputs[1];
      const double shift = n.inputs.size() == 1 ? 0 : (i == 0 ? -1 : 1) * (twin ? 24 : 16);
      const double x0 = from.x + (twin ? shift : 0.3 * (n.x - from.x)), x1 = n.x + shift,
                   y0 = from.y + h, y1 = n.y - 2;
      const double clamped = std::clamp(x0, from.x - w / 2 + 10, from.x + w / 2 - 10),
                   mid = (y0 + y1) / 2;
      s += "<path class=\"axis\" d=\"M" + figure::fixed(clamped) + " " + figure::fixed(y0) + "C" +
           figure::fixed(clamped) + " " + figure::fixed(mid) + " " + figure::fixed(x1) + " " +
           figure::fixed(mid) + " " + figure::fixed(x1) + " " + figure::fixed(y1 - 4) +
           "\"/><path class=\"axis\" d=\"M" + figure::fixed(x1 - 4) + " " + figure::fixed(y1 - 6) +
           "l4 6l4 -6\"/>\n";
    }
  for (const GraphNode& n : nodes) {
    const std::string left = figure::fixed(n.x - w / 2 + 10);
    s += "<rect class=\"box\" rx=\"7\" x=\"" + figure::fixed(n.x - w / 2) + "\" y=\"" +
         figure::fixed(n.y) + "\" width=\"" + figure::fixed(w) + "\" height=\"" + figure::fixed(h) +
         "\"/><text class=\"b\" x=\"" + left + "\" y=\"" + figure::fixed(n.y + 16) + "\">" +
         html(n.what) + "</text><text class=\"v\" x=\"" + left + "\" y=\"" +
         figure::fixed(n.y + 32) + "\">value " + n.value + "</text><text class=\"v\" x=\"" + left +
         "\" y=\"" + figure::fixed(n.y + 47) + "\">gradient " + n.gradient + "</text>\n";
    if (n.order > 0)
      s += "<circle class=\"badge\" cx=\"" + figure::fixed(n.x + w / 2) + "\" cy=\"" +
           figure::fixed(n.y) +
           "\" r=\"10\"/><text class=\"badge-text\" text-anchor=\"middle\" x=\"" +
           figure::fixed(n.x + w / 2) + "\" y=\"" + figure::fixed(n.y + 4) + "\">" +
           std::to_string(n.order) + "</text>\n";
  }
  return figure::with_caption(s + "</svg>\n", "", caption);
}

// Backward by recursion over the graph, as one would write it first: a value passes its gradient on
// each time something arrives.
struct NaiveValue {
  double gradient = 0;
  std::vector<NaiveValue*> inputs;  // of a sum
  void backward(int64_t& count) {
    ++count;
    for (NaiveValue* input : inputs) {
      input->gradient += gradient;
      input->backward(count);
    }
  }
};

inline void add_tape(Page& page) {
  page.section("tape", "Tape", "Tape: the list that is walked backwards");
  page.text(
      "While a tape is open every op that depends on a leaf is written down. The order of writing "
      "is an order in which inputs come before outputs, so "
      "backward walks the list from its end: when it comes to an op, every use of the op’s output "
      "has added its share to the gradient. No graph search, no recursion.");
  const auto leaf = [](double x) { return Variable::leaf(full({}, x, DType::Float64)); };
  const Variable a = leaf(2), b = leaf(-0.5);
  Tape tape;
  tape.describe_ops();
  const Variable c = a * b, d = c + a;
  const Variable e = skiff::exp(d), L = d * e;
  for (const Variable& v : {c, d, e, L}) tape.watch(v);
  const std::string listing = tape.print();
  tape.backward(L);
  const auto text = [&](const std::string& name, double v) {
    return page.drawn_number("tape." + name, v, "%.4g");
  };
  const auto node = [&](double x, double y, const std::string& name, const std::string& what,
                        const Variable& v, int order, std::vector<int> inputs) {
    return GraphNode{x,
                     y,
                     what,
                     text(name + ".value", item(v)),
                     text(name + ".gradient", item(v.grad())),
                     order,
                     inputs};
  };
  const std::string drawn = graph(
      "A graph of six values: a and b, c = a b, d = c + a, e = exp d, L = d e, with values, "
      "gradients and the order of backward.",
      "<b>A small graph</b>, from the leaves down to the loss. The numbers in the circles are the "
      "order of backward. a is used by c and by d, d by e and by L: "
      "their gradients are sums of two shares.",
      492,
      {node(84, 8, "a", "a", a, 0, {}), node(268, 8, "b", "b", b, 0, {}),
       node(238, 112, "c", "c = a · b", c, 4, {0, 1}),
       node(118, 216, "d", "d = c + a", d, 3, {0, 2}), node(238, 320, "e", "e = exp(d)", e, 2, {3}),
       node(118, 424, "L", "L = d · e", L, 1, {3, 4})});

  const auto tape_gradient = [&](int depth) {
    const Variable x = leaf(1);
    Tape chain;
    Variable y = x;
    for (int i = 0; i < depth; ++i) y = y + y;
    chain.backward(y);
    return item(x.grad());
  };
  const auto naive = [&](int depth, int64_t& visits) {
    std::vector<NaiveValue> values(size_t(depth) + 1);
    for (size_t i = 1; i < values.size(); ++i) values[i].inputs = {&values[i - 1], &values[i - 1]};
    values.back().gradient = 1;
    visits = 0;
    values.back().backward(visits);
    return values.front().gradient;
  };
  int64_t visits = 0;
  const double right = tape_gradient(2), wrong = naive(2, visits);
  const Variable u = leaf(1.5);
  Tape two;
  const Variable v = u + u, z = v + v;
  two.watch(v), two.watch(z);
  two.backward(z);
  const std::string broken = graph(
      "A chain of three values: a, b = a + a, c = b + b.",
      "<b>b = a + a; c = b + b.</b> The gradient of a is " +
          page.number("tape.right", right, "%.0f") +
          ". Recursion that passes a gradient on at each arrival visits b twice, the second time "
          "with the sum of both arrivals, and makes it " +
          page.number("tape.wrong", wrong, "%.0f") + ".",
      284,
      {node(180, 8, "chain-a", "a", u, 0, {}), node(180, 112, "chain-b", "b = a + a", v, 2, {0, 0}),
       node(180, 216, "chain-c", "c = b + b", z, 1, {1, 1})});
  page.figures({drawn, broken});
  page.raw(Page::preformatted("The tape, printed", listing));
  std::vector<std::vector<std::string>> rows;
  for (const int depth : {1, 2, 3, 5, 10, 16}) {
    const double naive_gradient = naive(depth, visits);
    const std::string key = "tape.depth-" + std::to_string(depth);
    rows.push_back(
        {std::to_string(depth), page.number(key + ".gradient", tape_gradient(depth), "%.0f"),
         std::to_string(depth), page.number(key + ".naive-gradient", naive_gradient, "%.5g"),
         page.count(key + ".naive-visits", visits)});
  }
  page.table("y = x, then y = y + y, k times: the tape against naive recursion",
             {"k", "gradient", "ops walked", "naive: gradient", "naive: calls"}, rows);
}

// ---- planted bugs ----

struct Mutant {
  std::string name, op, file, what, check, where, old_lines, new_lines;
  bool caught = false, shown = false;
  double error = 0, limit = 0;
};

inline std::vector<Mutant> read_mutants(const std::string& path) {
  std::ifstream in(path);
  check<DataError>(bool(in), "cannot open '", path, "'");
  std::vector<Mutant> mutants;
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    try {
      const nlohmann::json j = nlohmann::json::parse(line);
      mutants.push_back({j.at("name"), j.at("op"), j.at("file"), j.at("what"), j.at("check"),
                         j.at("where"), j.at("old"), j.at("new"), j.at("caught"), j.at("report"),
                         j.at("error"), j.at("limit")});
    } catch (const nlohmann::json::exception& e) {
      fail<DataError>(path, ":", number, ": not the result of a mutant: ", e.what());
    }
  }
  check<DataError>(!mutants.empty(), path, ": holds no results");
  return mutants;
}

inline void add_mutants(Page& page, const std::string& path) {
  page.section("break", "Break it", "Break it: planted bugs, and what catches each");
  page.text(
      "A check is worth what it finds. Each row is a bug planted on purpose: a patch of a line or "
      "two under <code>tests/mutants</code>, applied to a copy of the "
      "source when this report was made, compiled and run through the project’s own checks. The "
      "first check that fails is named, with the size of the error it "
      "found and its limit. <code>make mutants</code> does the same for all of them.");
  if (path.empty()) {
    page.text(
        "<strong>Left out:</strong> no results were given. <code>make report</code> plants the "
        "bugs first; by hand: <code>report --mutants FILE</code>.");
    return;
  }
  std::vector<std::vector<std::string>> rows;
  std::string patches;
  int caught = 0, shown = 0;
  for (const Mutant& m : read_mutants(path)) {
    if (!m.shown) continue;
    ++shown;
    caught += m.caught;
    const std::string key = "break." + m.name;
    rows.push_back({html(m.name), "<code>" + html(m.op) + "</code>",
                    m.caught ? html(m.check) : "<span class=\"fail\">nothing caught it</span>",
                    page.number(key + ".error", m.error, "%.2g"),
                    page.number(key + ".limit", m.limit, "%.1g")});
    patches +=
        "<details><summary>" + html(m.name) + "</summary><p>" + html(m.what) + " (<code>" +
        html(m.file) +
        "</code>)</p><pre tabindex=\"0\" role=\"region\" aria-label=\"Patch: " + html(m.name) +
        "\"><span class=\"diff-old\">" + html(m.old_lines) + "</span><span class=\"diff-new\">" +
        html(m.new_lines) + "</span></pre><p>Found at: " + html(m.where) + "</p></details>\n";
  }
  page.text("<strong>" + page.count("break.caught", caught) + " of " +
            page.count("break.shown", shown) + " caught.</strong>");
  page.table("Planted bugs and the check that caught each",
             {"bug", "op", "caught by", "error", "limit"}, rows, 3);
  page.heading("What was changed");
  page.raw(patches);
}

}  // namespace skiff::report
