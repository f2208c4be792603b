#include "data/files/pickle.h"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <map>

#include "core/check.h"
#include "data/files/text_file.h"

namespace skiff {

namespace {

enum class Kind { Mark, None, Int, Text, List, Tuple, Dict, Global, DType, Array };
constexpr const char* kKindNames[] = {"a mark",      "None",    "an integer",   "a string",
                                      "a list",      "a tuple", "a dictionary", "a global",
                                      "a data type", "an array"};

struct Value {
  Kind kind = Kind::None;
  int64_t number = 0;             // Int, also True and False
  std::string_view text;          // Text; Global: "module\nname"; Array: its bytes
  std::vector<Value*> items;      // List, Tuple; Dict: key, value, key, value, ..
  int64_t rows = 0, columns = 0;  // Array
};

// What may be named; none is called.
constexpr std::string_view kReconstruct = "numpy.core.multiarray\n_reconstruct",
                           kArray = "numpy\nndarray", kDType = "numpy\ndtype";
constexpr size_t kMostValues = size_t(1) << 18;  // made, stacked, or stored; CIFAR-10 has 20,000

class Reader {
 public:
  Reader(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  const Value& read() {
    while (true) {
      opcode_at_ = at_;
      opcode_ = 0;  // none yet, should the file end here
      opcode_ = take(1)[0];
      if (opcode_ == '.') break;
      step();
    }
    require(stack_.size() == 1 && stack_[0]->kind == Kind::Dict,
            "the pickle must hold one dictionary");
    return *stack_[0];
  }

 private:
  template <class... Parts>
  void require(bool requirement, const Parts&... parts) const {
    if (requirement) return;
    char opcode[8];
    const bool printable = opcode_ > 0x20 && opcode_ < 0x7f;
    std::snprintf(opcode, sizeof opcode, printable ? "'%c'" : "0x%02x", unsigned(uint8_t(opcode_)));
    fail<DataError>(name_, ": at byte ", opcode_at_, ", opcode ", opcode, ": ", parts...);
  }

  // ---- Input

  std::string_view take(size_t count) {
    require(bytes_.size() - at_ >= count, "the file ends early, ", bytes_.size(), " bytes long");
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  uint32_t take_number(size_t count) {  // little endian
    uint32_t value = 0;
    const std::string_view raw = take(count);
    for (size_t i = 0; i < count; ++i) value |= uint32_t(uint8_t(raw[i])) << (8 * i);
    return value;
  }

  // ---- Stack and memo

  void push(Kind kind, int64_t number = 0, std::string_view text = {}) {
    require(values_.size() < kMostValues, "more than ", kMostValues, " values");
    stack_.push_back(&values_.emplace_back(Value{kind, number, text, {}}));
  }
  Value* pop() {
    require(!stack_.empty() && stack_.back()->kind != Kind::Mark, "a value is missing before it");
    Value* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  Value* pop(Kind kind) {
    Value* value = pop();
    require(value->kind == kind, "needs ", kKindNames[int(kind)], ", got ",
            kKindNames[int(value->kind)]);
    return value;
  }
  std::vector<Value*> pop_items(size_t count) {
    std::vector<Value*> items(count);
    while (count > 0) items[--count] = pop();
    return items;
  }
  std::vector<Value*> pop_to_mark() {
    size_t mark = stack_.size();
    while (mark > 0 && stack_[mark - 1]->kind != Kind::Mark) --mark;
    require(mark > 0, "a mark is missing before it");
    std::vector<Value*> items(stack_.begin() + int64_t(mark), stack_.end());
    stack_.resize(mark - 1);
    return items;
  }
  void push_tuple(std::vector<Value*> items) {
    push(Kind::Tuple);
    stack_.back()->items = std::move(items);
  }
  void add_items(Kind kind, const std::vector<Value*>& items) {
    require(kind != Kind::Dict || items.size() % 2 == 0, "a key has no value");
    Value* target = pop(kind);
    target->items.insert(target->items.end(), items.begin(), items.end());
    stack_.push_back(target);
  }
  void put(uint32_t place) {
    require(!stack_.empty(), "a value is missing before it");
    require(memo_.size() < kMostValues, "more than ", kMostValues, " stored values");
    memo_[place] = stack_.back();
  }
  void get(uint32_t place) {
    const auto entry = memo_.find(place);
    require(entry != memo_.end(), "nothing was stored as number ", place);
    require(stack_.size() < kMostValues, "more than ", kMostValues, " values");
    stack_.push_back(entry->second);
  }

  // ---- Opcodes, in the order of Python's pickletools

  void step() {
    const auto n = [&](size_t bytes) { return take_number(bytes); };
    // clang-format off
    switch (opcode_) {
      case 'J': return push(Kind::Int, int32_t(n(4)));
      case 'K': return push(Kind::Int, n(1));
      case 'M': return push(Kind::Int, n(2));
      case 'T': return push(Kind::Text, 0, take(n(4)));
      case 'U': return push(Kind::Text, 0, take(n(1)));
      case 'N': return push(Kind::None);
      case '\x88': return push(Kind::Int, 1);
      case '\x89': return push(Kind::Int, 0);
      case ']': return push(Kind::List);
      case 'a': return add_items(Kind::List, pop_items(1));
      case 'e': return add_items(Kind::List, pop_to_mark());
      case ')': return push(Kind::Tuple);
      case 't': return push_tuple(pop_to_mark());
      case '\x85': return push_tuple(pop_items(1));
      case '\x86': return push_tuple(pop_items(2));
      case '\x87': return push_tuple(pop_items(3));
      case '}': return push(Kind::Dict);
      case 's': return add_items(Kind::Dict, pop_items(2));
      case 'u': return add_items(Kind::Dict, pop_to_mark());
      case '(': return push(Kind::Mark);
      case 'h': return get(n(1));
      case 'j': return get(n(4));
      case 'q': return put(n(1));
      case 'r': return put(n(4));
      case 'c': return read_global();
      case 'R': return reduce();
      case 'b': return build();
      case '\x80': return require(n(1) == 2, "only protocol 2 is read");
      default: require(false, "files of CIFAR-10 do not use it");
    }
    // clang-format on
  }

  void read_global() {
    const size_t end = bytes_.find('\n', std::min(bytes_.find('\n', at_), bytes_.size() - 1) + 1);
    require(end != std::string_view::npos, "the file ends early, ", bytes_.size(), " bytes long");
    const std::string_view text = take(end - at_);
    take(1);
    require(text == kReconstruct || text == kArray || text == kDType, "the pickle asks for ",
            quoted(text), ", which CIFAR-10 does not need");
    push(Kind::Global, 0, text);
  }

  // What a call of the known functions would return.
  void reduce() {
    // No copies: a tuple may be long, and used again and again.
    static const Value none;
    const std::vector<Value*>& arguments = pop(Kind::Tuple)->items;
    const std::string_view function = pop(Kind::Global)->text;
    const Value& first = arguments.empty() ? none : *arguments[0];
    if (function == kReconstruct) {
      require(first.kind == Kind::Global && first.text == kArray, "an array of NumPy is expected");
      return push(Kind::Array);
    }
    require(function == kDType, quoted(function), " is not a function");
    require(first.kind == Kind::Text && (first.text == "u1" || first.text == "|u1"),
            "the array must hold bytes (u1), got ", quoted(first.text));
    push(Kind::DType);
  }

  // The state of an array: version, shape, data type, column-major or not, bytes.
  void build() {
    const std::vector<Value*>& state = pop(Kind::Tuple)->items;
    require(!stack_.empty(), "a value is missing before it");
    if (stack_.back()->kind == Kind::DType) return;  // byte order and flags: nothing for bytes
    const auto is = [&](size_t i, Kind kind) { return state[i]->kind == kind; };
    require(state.size() == 5 && is(1, Kind::Tuple) && is(2, Kind::DType) && is(3, Kind::Int) &&
                state[3]->number == 0 && is(4, Kind::Text),
            "the state of an array is version, shape, type, row-major order and bytes");
    const std::vector<Value*>& shape = state[1]->items;
    require(shape.size() == 2 && shape[0]->kind == Kind::Int && shape[1]->kind == Kind::Int,
            "the array must have two dimensions, got ", shape.size());
    Value* array = pop(Kind::Array);
    stack_.push_back(array);
    array->rows = shape[0]->number;
    array->columns = shape[1]->number;
    array->text = state[4]->text;
    require(array->rows >= 0 && array->columns >= 0 &&
                array->rows * array->columns == int64_t(array->text.size()),
            "an array of ", array->rows, " x ", array->columns, " bytes does not fit its ",
            array->text.size(), " bytes of data");
  }

  std::string_view bytes_;
  const std::string& name_;
  size_t at_ = 0, opcode_at_ = 0;
  char opcode_ = 0;
  std::deque<Value> values_;  // owns all; a deque does not move them
  std::vector<Value*> stack_;
  std::map<uint32_t, Value*> memo_;
};

const Value& entry_of(const Value& dict, std::string_view key, const std::string& name) {
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    if (dict.items[i]->kind == Kind::Text && dict.items[i]->text == key) return *dict.items[i + 1];
  }
  fail<DataError>(name, ": the dictionary has no '", key, "'");
}

}  // namespace

PickledBatch read_pickled_batch(std::string_view bytes, const std::string& name) {
  Reader reader(bytes, name);
  const Value& dict = reader.read();
  const Value& data = entry_of(dict, "data", name);
  const Value& labels = entry_of(dict, "labels", name);
  check<DataError>(labels.kind == Kind::List, name, ": 'labels' must be a list, got ",
                   kKindNames[int(labels.kind)]);
  PickledBatch batch{int64_t(labels.items.size()), data.columns, data.text};
  for (const Value* label : labels.items) {
    check<DataError>(label->kind == Kind::Int, name, ": label ", batch.labels.size() + 1,
                     " must be an integer, got ", kKindNames[int(label->kind)]);
    batch.labels.push_back(label->number);
  }
  if (data.kind == Kind::Text) {  // one string of all pixels
    check<DataError>(batch.rows > 0 && int64_t(data.text.size()) % batch.rows == 0, name,
                     ": 'data' must be as many equal rows as there are labels (", batch.rows,
                     "), got ", data.text.size(), " bytes");
    batch.columns = int64_t(data.text.size()) / batch.rows;
    return batch;
  }
  check<DataError>(data.kind == Kind::Array, name, ": 'data' must be an array, got ",
                   kKindNames[int(data.kind)]);
  check<DataError>(data.rows == batch.rows, name, ": 'data' has ", data.rows, " rows for ",
                   batch.rows, " labels");
  return batch;
}

}  // namespace skiff
