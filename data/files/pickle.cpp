#include "data/files/pickle.h"

#include <charconv>
#include <cstdio>
#include <deque>
#include <map>

#include "core/check.h"
#include "data/files/text_file.h"

namespace skiff {

namespace {

enum class Kind { Mark, None, Bool, Int, Text, List, Tuple, Dict, Global, DType, Array };
constexpr const char* kKindNames[] = {"a mark",   "None",        "a truth value", "an integer",
                                      "a string", "a list",      "a tuple",       "a dictionary",
                                      "a global", "a data type", "an array"};

struct Value {
  Kind kind = Kind::None;
  int64_t number = 0;         // Bool, Int
  std::string_view text;      // Text; Global: "module name"; Array: its bytes
  std::vector<Value*> items;  // List, Tuple; Dict: key, value, key, value, ..
  int64_t rows = 0, columns = 0;
  bool column_major = false;  // Array
};

// The functions that may be named; none is called.
constexpr std::string_view kGlobals[] = {"numpy.core.multiarray _reconstruct",
                                         "numpy._core.multiarray _reconstruct", "numpy ndarray",
                                         "numpy dtype", "_codecs encode"};

constexpr size_t kMostValues = size_t(1) << 18;  // a file of CIFAR-10 has 20,000

class Reader {
 public:
  Reader(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  const Value& read() {
    while (true) {
      opcode_at_ = at_;
      opcode_ = take(1)[0];
      if (opcode_ == '.') break;
      step();
    }
    require(stack_.size() == 1 && stack_[0]->kind == Kind::Dict,
            "the pickle must hold one dictionary");
    return *stack_[0];
  }

  // A string whose bytes are code points below 256 in UTF-8: what "_codecs encode" is given.
  std::string_view latin1(std::string_view text) {
    std::string& result = add_text(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
      const uint8_t first = uint8_t(text[i]);
      if (first < 0x80) {
        result += text[i];
        continue;
      }
      require((first == 0xC2 || first == 0xC3) && i + 1 < text.size() &&
                  (uint8_t(text[i + 1]) & 0xC0) == 0x80,
              "a character of the encoded string is not a byte");
      result += char(uint8_t(((first & 3) << 6) | (uint8_t(text[++i]) & 0x3F)));
    }
    return result;
  }

  template <class... Parts>
  void require(bool requirement, const Parts&... parts) const {
    if (requirement) return;
    char opcode[8];
    const bool printable = opcode_ > 0x20 && opcode_ < 0x7f;
    std::snprintf(opcode, sizeof opcode, printable ? "'%c'" : "0x%02x", unsigned(uint8_t(opcode_)));
    fail<DataError>(name_, ": at byte ", opcode_at_, ", opcode ", opcode, ": ", parts...);
  }

 private:
  // ---- input

  std::string_view take(size_t count) {
    require(bytes_.size() - at_ >= count, "the file ends early, ", bytes_.size(), " bytes long");
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  std::string_view take_line() {
    const size_t end = bytes_.find('\n', at_);
    require(end != std::string_view::npos, "the file ends early, ", bytes_.size(), " bytes long");
    const std::string_view line = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
  }
  uint64_t take_unsigned(size_t count) {  // little endian
    uint64_t value = 0;
    const std::string_view raw = take(count);
    for (size_t i = 0; i < count; ++i) value |= uint64_t(uint8_t(raw[i])) << (8 * i);
    return value;
  }
  int64_t number_of(std::string_view digits) const {
    int64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [rest, error] = std::from_chars(digits.data(), end, value);
    require(!digits.empty() && error == std::errc() && rest == end, quoted(digits),
            " is not an integer");
    return value;
  }

  // ---- stack and memo

  Value* make(Kind kind, int64_t number = 0, std::string_view text = {}) {
    require(values_.size() < kMostValues, "more than ", kMostValues, " values");
    Value& value = values_.emplace_back();
    value.kind = kind;
    value.number = number;
    value.text = text;
    return &value;
  }
  // A string that is not in the file as it is, of at most `size` bytes. A text that is stored once
  // can be named many times: all of them may be a few times the file, and no more.
  std::string& add_text(size_t size) {
    text_bytes_ += size;
    require(text_bytes_ <= 4 * bytes_.size(), "the strings are much larger than the file");
    return texts_.emplace_back();
  }
  void push(Value* value) { stack_.push_back(value); }
  void push(Kind kind, int64_t number = 0) { push(make(kind, number)); }
  void push_text(std::string_view text) { push(make(Kind::Text, 0, text)); }
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
  Value& top(Kind kind) {
    Value* value = pop(kind);
    push(value);
    return *value;
  }
  std::vector<Value*> pop_to_mark() {
    size_t mark = stack_.size();
    while (mark > 0 && stack_[mark - 1]->kind != Kind::Mark) --mark;
    require(mark > 0, "a mark is missing before it");
    std::vector<Value*> items(stack_.begin() + int64_t(mark), stack_.end());
    stack_.resize(mark - 1);
    return items;
  }
  std::vector<Value*> pop_items(size_t count) {
    std::vector<Value*> items(count);
    while (count > 0) items[--count] = pop();
    return items;
  }
  void push_items(Kind kind, std::vector<Value*> items) {
    require(kind != Kind::Dict || items.size() % 2 == 0, "a key has no value");
    push(kind);
    stack_.back()->items = std::move(items);
  }
  void add_items(Kind kind, const std::vector<Value*>& items) {
    require(kind != Kind::Dict || items.size() % 2 == 0, "a key has no value");
    Value& target = top(kind);
    target.items.insert(target.items.end(), items.begin(), items.end());
  }
  void put(uint64_t place) {
    require(!stack_.empty(), "a value is missing before it");
    memo_[place] = stack_.back();
  }
  void get(uint64_t place) {
    const auto entry = memo_.find(place);
    require(entry != memo_.end(), "nothing was stored as number ", place);
    push(entry->second);
  }

  // ---- opcodes, in the order of Python's pickletools

  void step() {
    switch (opcode_) {
      case 'I':
        return read_int_line();
      case 'J':
        return push(Kind::Int, int32_t(take_unsigned(4)));
      case 'K':
        return push(Kind::Int, int64_t(take_unsigned(1)));
      case 'M':
        return push(Kind::Int, int64_t(take_unsigned(2)));
      case 'L':
        return read_long_line();
      case '\x8a':
        return read_long();
      case 'S':
        return read_quoted_line();
      case 'T':
        return push_text(take(size_t(take_unsigned(4))));
      case 'U':
        return push_text(take(size_t(take_unsigned(1))));
      case 'B':
        return push_text(take(size_t(take_unsigned(4))));
      case 'C':
        return push_text(take(size_t(take_unsigned(1))));
      case 'V':
        return read_unicode_line();
      case 'X':
        return push_text(take(size_t(take_unsigned(4))));
      case 'N':
        return push(Kind::None);
      case '\x88':
        return push(Kind::Bool, 1);
      case '\x89':
        return push(Kind::Bool, 0);
      case ']':
        return push(Kind::List);
      case 'a':
        return add_items(Kind::List, pop_items(1));
      case 'e':
        return add_items(Kind::List, pop_to_mark());
      case 'l':
        return push_items(Kind::List, pop_to_mark());
      case ')':
        return push(Kind::Tuple);
      case 't':
        return push_items(Kind::Tuple, pop_to_mark());
      case '\x85':
        return push_items(Kind::Tuple, pop_items(1));
      case '\x86':
        return push_items(Kind::Tuple, pop_items(2));
      case '\x87':
        return push_items(Kind::Tuple, pop_items(3));
      case '}':
        return push(Kind::Dict);
      case 'd':
        return push_items(Kind::Dict, pop_to_mark());
      case 's':
        return add_items(Kind::Dict, pop_items(2));
      case 'u':
        return add_items(Kind::Dict, pop_to_mark());
      case '(':
        return push(Kind::Mark);
      case 'g':
        return get(uint64_t(number_of(take_line())));
      case 'h':
        return get(take_unsigned(1));
      case 'j':
        return get(take_unsigned(4));
      case 'p':
        return put(uint64_t(number_of(take_line())));
      case 'q':
        return put(take_unsigned(1));
      case 'r':
        return put(take_unsigned(4));
      case 'c':
        return read_global();
      case 'R':
        return reduce();
      case 'b':
        return build();
      case '\x80':
        return read_protocol();
      default:
        require(false, "files of CIFAR-10 do not use it");
    }
  }

  void read_protocol() {
    const uint64_t version = take_unsigned(1);
    require(version >= 2 && version <= 3, "protocols 0 to 3 are read, got ", version);
  }
  void read_int_line() {
    const std::string_view line = take_line();
    if (line == "00" || line == "01") return push(Kind::Bool, line == "01");
    push(Kind::Int, number_of(line));
  }
  void read_long_line() {
    std::string_view line = take_line();
    if (line.ends_with('L')) line.remove_suffix(1);
    push(Kind::Int, number_of(line));
  }
  void read_long() {
    const size_t size = size_t(take_unsigned(1));
    require(size <= 8, "an integer of ", size, " bytes is too large");
    uint64_t value = take_unsigned(size);
    // The last byte holds the sign.
    if (size > 0 && size < 8 && (value >> (8 * size - 1)) != 0) value |= ~uint64_t(0) << (8 * size);
    push(Kind::Int, int64_t(value));
  }

  int hex_digit(char c) const {
    const std::string_view digits = "0123456789abcdef";
    const size_t value = digits.find(c >= 'A' && c <= 'F' ? char(c + 32) : c);
    require(value != std::string_view::npos, "an escape needs hexadecimal digits, got ",
            quoted(std::string_view(&c, 1)));
    return int(value);
  }
  // A string as Python prints it, in its quotes.
  void read_quoted_line() {
    std::string_view line = take_line();
    require(line.size() >= 2 && (line[0] == '\'' || line[0] == '"') && line.back() == line[0],
            "a string in quotes is needed, got ", quoted(line));
    line = line.substr(1, line.size() - 2);
    std::string& text = add_text(line.size());
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] != '\\') {
        text += line[i];
        continue;
      }
      require(i + 1 < line.size(), "an escape is cut");
      const char code = line[++i];
      if (code == 'x') {
        require(i + 2 < line.size(), "an escape is cut");
        text += char(16 * hex_digit(line[i + 1]) + hex_digit(line[i + 2]));
        i += 2;
        continue;
      }
      const size_t known = std::string_view("\\'\"nrt").find(code);
      require(known != std::string_view::npos, "unknown escape ", quoted(line.substr(i - 1, 2)));
      text += "\\'\"\n\r\t"[known];
    }
    push_text(text);
  }
  // Raw unicode escapes: \uXXXX, and Latin-1 for the rest. Held as UTF-8.
  void read_unicode_line() {
    const std::string_view line = take_line();
    std::string& text = add_text(2 * line.size());
    for (size_t i = 0; i < line.size(); ++i) {
      unsigned code = uint8_t(line[i]);
      if (code == '\\') {
        require(i + 5 < line.size() && line[i + 1] == 'u', "unknown escape ",
                quoted(line.substr(i, 2)));
        code = 0;
        for (size_t k = 2; k < 6; ++k) code = 16 * code + unsigned(hex_digit(line[i + k]));
        i += 5;
      }
      if (code < 0x80) {
        text += char(code);
      } else if (code < 0x800) {
        text += {char(0xC0 | (code >> 6)), char(0x80 | (code & 0x3F))};
      } else {
        text += {char(0xE0 | (code >> 12)), char(0x80 | ((code >> 6) & 0x3F)),
                 char(0x80 | (code & 0x3F))};
      }
    }
    push_text(text);
  }

  void read_global() {
    const std::string_view module = take_line(), function = take_line();
    std::string& text = add_text(module.size() + 1 + function.size());
    text.append(module).append(1, ' ').append(function);
    bool known = false;
    for (const std::string_view global : kGlobals) known = known || text == global;
    require(known, "the pickle asks for ", skiff::quoted(text), ", which CIFAR-10 does not need");
    push(make(Kind::Global, 0, text));
  }

  // What a call of the few known functions would return.
  void reduce() {
    const Value& arguments = *pop(Kind::Tuple);
    const std::string_view function = pop(Kind::Global)->text;
    const auto is = [&](size_t i, Kind kind) {
      return i < arguments.items.size() && arguments.items[i]->kind == kind;
    };
    if (function.ends_with("_reconstruct")) {
      require(is(0, Kind::Global) && arguments.items[0]->text == "numpy ndarray",
              "an array of NumPy is expected");
      return push(Kind::Array);
    }
    if (function == "numpy dtype") {
      require(is(0, Kind::Text), "a data type needs a name");
      const std::string_view type = arguments.items[0]->text;
      require(type == "u1" || type == "|u1", "the array must hold bytes (u1), got ", quoted(type));
      return push(Kind::DType);
    }
    require(function == "_codecs encode", quoted(function), " is not a function");
    require(arguments.items.size() == 2 && is(0, Kind::Text) && is(1, Kind::Text) &&
                arguments.items[1]->text == "latin1",
            "a string and 'latin1' are expected");
    push_text(latin1(arguments.items[0]->text));
  }

  // The state of an array: version, shape, data type, column-major or not, bytes.
  void build() {
    const Value& state = *pop(Kind::Tuple);
    require(!stack_.empty(), "a value is missing before it");
    if (stack_.back()->kind == Kind::DType) return;  // byte order and flags: nothing for bytes
    Value& array = top(Kind::Array);
    const auto is = [&](size_t i, Kind kind) { return state.items[i]->kind == kind; };
    require(state.items.size() == 5 && is(1, Kind::Tuple) && is(2, Kind::DType) &&
                (is(3, Kind::Bool) || is(3, Kind::Int)) && is(4, Kind::Text),
            "the state of an array is version, shape, type, order and bytes");
    const std::vector<Value*>& shape = state.items[1]->items;
    require(shape.size() == 2 && shape[0]->kind == Kind::Int && shape[1]->kind == Kind::Int,
            "the array must have two dimensions, got ", shape.size());
    constexpr int64_t kMost = int64_t(1) << 31;
    array.rows = shape[0]->number;
    array.columns = shape[1]->number;
    array.column_major = state.items[3]->number != 0;
    array.text = state.items[4]->text;
    require(array.rows >= 0 && array.columns >= 0 && array.rows < kMost && array.columns < kMost &&
                array.rows * array.columns == int64_t(array.text.size()),
            "an array of ", array.rows, " x ", array.columns, " bytes does not fit its ",
            array.text.size(), " bytes of data");
  }

  std::string_view bytes_;
  const std::string& name_;
  size_t at_ = 0, opcode_at_ = 0;
  char opcode_ = 0;
  std::deque<Value> values_;       // owns all; a deque does not move them
  std::deque<std::string> texts_;  // strings that are not in the file as they are
  size_t text_bytes_ = 0;          // of them
  std::vector<Value*> stack_;
  std::map<uint64_t, Value*> memo_;
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
  PickledBatch batch;
  for (const Value* label : labels.items) {
    check<DataError>(label->kind == Kind::Int, name, ": label ", batch.labels.size() + 1,
                     " must be an integer, got ", kKindNames[int(label->kind)]);
    batch.labels.push_back(label->number);
  }
  batch.rows = int64_t(batch.labels.size());
  if (data.kind == Kind::Text) {  // one string of all pixels
    check<DataError>(batch.rows > 0 && int64_t(data.text.size()) % batch.rows == 0, name,
                     ": 'data' must be as many equal rows as there are labels (", batch.rows,
                     "), got ", data.text.size(), " bytes");
    batch.columns = int64_t(data.text.size()) / batch.rows;
    batch.data = data.text;
    return batch;
  }
  check<DataError>(data.kind == Kind::Array, name, ": 'data' must be an array, got ",
                   kKindNames[int(data.kind)]);
  check<DataError>(data.rows == batch.rows, name, ": 'data' has ", data.rows, " rows for ",
                   batch.rows, " labels");
  batch.columns = data.columns;
  batch.data = data.text;
  if (data.column_major) {
    for (int64_t i = 0; i < batch.rows; ++i) {
      for (int64_t k = 0; k < batch.columns; ++k) {
        batch.data[size_t(i * batch.columns + k)] = data.text[size_t(k * batch.rows + i)];
      }
    }
  }
  return batch;
}

}  // namespace skiff
