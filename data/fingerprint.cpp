#include "data/fingerprint.h"

#include <zlib.h>

#include <cstdio>

namespace skiff {

std::string fingerprint(const std::vector<Example>& examples) {
  uLong crc = ::crc32_z(0, nullptr, 0);
  const auto add = [&](const void* bytes, size_t count) {
    if (count > 0) crc = ::crc32_z(crc, static_cast<const Bytef*>(bytes), count);
  };
  for (const Example& e : examples) {
    const uint64_t head[] = {e.tokens.size(), e.second.size(), uint64_t(e.label)};
    add(head, sizeof head);
    for (const Elements* elements : {&e.tokens, &e.second}) {
      const std::vector<uint16_t> values = elements->values();
      add(values.data(), values.size() * sizeof(uint16_t));
    }
  }
  char text[64];
  std::snprintf(text, sizeof text, "%zu examples, CRC-32 %08lx", examples.size(), crc);
  return text;
}

}  // namespace skiff
