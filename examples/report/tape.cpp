// The tape: a small graph, and why backward walks a list.
#include <algorithm>

#include "autograd/ops.h"
#include "examples/charts/diagram.h"
#include "examples/report/sections.h"

namespace skiff::report {
namespace {

struct GraphNode {
  double x, y;                        // the middle of the top
  std::string what, value, gradient;  // the two last ones are markup
  int order;                          // of its backward; 0: a leaf
  std::vector<int> inputs;            // indices of nodes, twice if used twice
};

std::string graph(double height, const std::vector<GraphNode>& nodes) {
  constexpr double w = 134, h = 56;
  charts::Diagram d;
  for (const GraphNode& n : nodes)
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      const GraphNode& from = nodes[size_t(n.inputs[i])];
      const bool twin = n.inputs.size() == 2 && n.inputs[0] == n.inputs[1];
      const double shift = n.inputs.size() == 1 ? 0 : (i == 0 ? -1 : 1) * (twin ? 24 : 16);
      const double x0 = from.x + (twin ? shift : 0.3 * (n.x - from.x));
      d.curve(std::clamp(x0, from.x - w / 2 + 10, from.x + w / 2 - 10), from.y + h, n.x + shift,
              n.y - 2);
    }
  for (const GraphNode& n : nodes) {
    const double left = n.x - w / 2 + 10;
    d.box(n.x - w / 2, n.y, w, h, "");
    d.text(left, n.y + 16, n.what, "b");
    d.markup(left, n.y + 32, "value " + n.value, "v");
    d.markup(left, n.y + 47, "gradient " + n.gradient, "v");
    if (n.order > 0) d.badge(n.x + w / 2, n.y, std::to_string(n.order));
  }
  return charts::element(360, height, d.drawing());
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

struct Naive {
  double gradient;
  int64_t visits;
};
Naive naive_gradient(int depth) {
  std::vector<NaiveValue> values(size_t(depth) + 1);
  for (size_t i = 1; i < values.size(); ++i) values[i].inputs = {&values[i - 1], &values[i - 1]};
  values.back().gradient = 1;
  int64_t visits = 0;
  values.back().backward(visits);
  return {values.front().gradient, visits};
}

Variable leaf(double x) { return Variable::leaf(full({}, x, DType::Float64)); }

double tape_gradient(int depth) {
  const Variable x = leaf(1);
  Tape chain;
  Variable y = x;
  for (int i = 0; i < depth; ++i) y = y + y;
  chain.backward(y);
  return item(x.grad());
}

GraphNode node(Page& page, double x, double y, const std::string& name, const std::string& what,
               const Variable& v, int order, const std::vector<int>& inputs) {
  const auto text = [&](const std::string& part, double number) {
    return page.drawn_number("tape." + name + part, number, "%.4g");
  };
  const std::string value = text(".value", item(v));
  return {x, y, what, value, text(".gradient", item(v.grad())), order, inputs};
}

void add_graph(Page& page) {
  const Variable a = leaf(2), b = leaf(-0.5);
  Tape tape;
  tape.describe_ops();
  const Variable c = a * b, d = c + a;
  const Variable e = skiff::exp(d), L = d * e;
  for (const Variable& v : {c, d, e, L}) tape.watch(v);
  page.set("tape.listing", preformatted("The tape, printed", tape.print()));
  tape.backward(L);
  draw(page.values, "tape.graph",
       graph(492, {node(page, 84, 8, "a", "a", a, 0, {}), node(page, 268, 8, "b", "b", b, 0, {}),
                   node(page, 238, 112, "c", "c = a · b", c, 4, {0, 1}),
                   node(page, 118, 216, "d", "d = c + a", d, 3, {0, 2}),
                   node(page, 238, 320, "e", "e = exp(d)", e, 2, {3}),
                   node(page, 118, 424, "L", "L = d · e", L, 1, {3, 4})}));
}

void add_chain(Page& page) {
  page.number("tape.right", tape_gradient(2), "%.0f");
  page.number("tape.wrong", naive_gradient(2).gradient, "%.0f");
  const Variable a = leaf(1.5);
  Tape tape;
  const Variable b = a + a, c = b + b;
  tape.watch(b), tape.watch(c);
  tape.backward(c);
  draw(page.values, "tape.chain",
       graph(284, {node(page, 180, 8, "chain-a", "a", a, 0, {}),
                   node(page, 180, 112, "chain-b", "b = a + a", b, 2, {0, 0}),
                   node(page, 180, 216, "chain-c", "c = b + b", c, 1, {1, 1})}));
}

}  // namespace

void add_tape(Page& page) {
  add_graph(page);
  add_chain(page);
  std::vector<std::vector<std::string>> rows;
  for (const int depth : {1, 2, 3, 5, 10, 16}) {
    const Naive naive = naive_gradient(depth);
    const std::string k = std::to_string(depth), key = "tape.depth-" + k;
    rows.push_back({k, page.number(key + ".gradient", tape_gradient(depth), "%.0f"), k,
                    page.number(key + ".naive-gradient", naive.gradient, "%.5g"),
                    page.count(key + ".naive-visits", naive.visits)});
  }
  page.set("tape.depths", table_rows(rows));
}

}  // namespace skiff::report
