// Pickles of CIFAR-10 put together by hand, and broken ones.
#include "core/check.h"
#include "data/files/pickle.h"
#include "tests/data/cifar_samples.h"
#include "tests/support/child.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

std::string pickle_error(const std::string& bytes) {
  return message_of([&] { read_pickled_batch(bytes, "data_batch_1"); });
}

}  // namespace

TEST_CASE("image: broken pickles end with file, offset and opcode, and run nothing") {
  const std::string start = raw("\x80\x02}(U\x06labels](K\x01") + "eU\x04";
  const std::string labels = raw("}(U\x06labels](K\x01") + "e";
  const std::string array =
      "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + raw("K\x00\x85U\x01") + "btR";
  const std::string type = "cnumpy\ndtype\n" + raw("U\x02u1K\x00K\x01\x87R");
  const std::pair<std::string, std::string> cases[] = {
      {"", "at byte 0, opcode 0x00: the file ends early, 0 bytes long"},
      {raw("\x80\x02}U\x05") + "lab", "at byte 3, opcode 'U': the file ends early, 8 bytes long"},
      {raw("\x80\x02}"), "at byte 3, opcode 0x00: the file ends early, 3 bytes long"},
      {raw("\x80\x04}."), "at byte 0, opcode 0x80: only protocol 2 is read"},
      {"cos\nsystem\n(S'true'\ntR.",
       "opcode 'c': the pickle asks for 'os\\x0asystem', which CIFAR-10 "},
      {"cnumpy\nload\n.", "asks for 'numpy\\x0aload'"},
      {"(ios\nsystem\n.", "opcode 'i': files of CIFAR-10 do not use it"},
      {"G12345678.", "opcode 'G': files of CIFAR-10 do not use it"},
      {raw("\x82\x01."), "opcode 0x82: files of CIFAR-10 do not use it"},
      {".", "opcode '.': the pickle must hold one dictionary"},
      {"K1.", "must hold one dictionary"},
      {"}}.", "must hold one dictionary"},
      {"R.", "opcode 'R': a value is missing before it"},
      {"K1R.", "opcode 'R': needs a tuple, got an integer"},
      {"K1K1\x85R.", "opcode 'R': needs a global, got an integer"},
      {"K1a.", "opcode 'a': a value is missing before it"},
      {"}K1a.", "opcode 'a': needs a list, got a dictionary"},
      {"K1u.", "opcode 'u': a mark is missing before it"},
      {"}(K1u.", "opcode 'u': a key has no value"},
      {"b.", "opcode 'b': a value is missing before it"},
      {raw("h\x07."), "opcode 'h': nothing was stored as number 7"},
      {"I12\n.", "opcode 'I': files of CIFAR-10 do not use it"},
      {"cnumpy\nndarray", "the file ends early"},
      {"c", "the file ends early"},
      {"}.", "data_batch_1: the dictionary has no 'data'"},
      {raw("}U\x04") + "dataNs.", "data_batch_1: the dictionary has no 'labels'"},
      {labels + raw("U\x04") + "dataNu.", "'data' must be an array, got None"},
      {raw("}(U\x06labelsNU\x04") + "dataNu.", "'labels' must be a list, got None"},
      {raw("}(U\x06labels](Ne") + raw("U\x04") + "dataNu.", "label 1 must be an integer, got None"},
      {"cnumpy\ndtype\n" + raw("U\x02i8K\x00K\x01\x87R."), "must hold bytes (u1), got 'i8'"},
      {"cnumpy\nndarray\n)R.", "'numpy\\x0andarray' is not a function"},
      {"cnumpy.core.multiarray\n_reconstruct\n)R.", "an array of NumPy is expected"},
      {array + raw("(K\x01K\x05\x85") + type + raw("\x89U\x05") + "12345tb.",
       "the array must have two dimensions, got 1"},
      {array + raw("(K\x01K\x05K\x02\x86") + type + raw("\x89U\x05") + "12345tb.",
       "an array of 5 x 2 bytes does not fit its 5 bytes of data"},
      {array + "(NNtb.", "the state of an array is"},
      {labels + raw("U\x04") + "data" + array + raw("(K\x01K\x02K\x02\x86") + type +
           raw("\x89U\x04") + "1234tbu.",
       "'data' has 2 rows for 1 labels"},
  };
  for (const auto& [bytes, expected] : cases) {
    const std::string reason = expected;  // a macro of doctest captures it
    const std::string message = pickle_error(bytes);
    CAPTURE(message);
    CAPTURE(reason);
    CHECK(contains(message, reason));
    CHECK(message.starts_with("data_batch_1: "));
  }
  // A whole file that ends anywhere.
  const std::string whole = pickle_2(content_of(0, 2));
  for (size_t size = 0; size < whole.size(); size += size < 300 ? 1 : 97) {
    CHECK_THROWS_AS(read_pickled_batch(whole.substr(0, size), "a"), DataError);
  }
}

TEST_CASE("image: a pickle cannot ask for more memory than its file is worth") {
  const std::string bytes(900000, 'N');
  CHECK(growth_of([&] { pickle_error(bytes); }) < kMostGrowth);
  CHECK(contains(pickle_error(bytes), "more than 262144 values"));
  // One value, stacked many times or stored under many numbers.
  std::string stacked = raw("K\x01q\x01"), stored = "N";
  for (uint32_t i = 0; i < 300000; ++i) {
    stacked += raw("h\x01");
    stored += 'r';
    stored.append(reinterpret_cast<const char*>(&i), sizeof i);
  }
  CHECK(contains(pickle_error(stacked), "opcode 'h': more than 262144 values"));
  CHECK(contains(pickle_error(stored), "opcode 'r': more than 262144 stored values"));
}
