// Protobuf fields by number, without a schema: the server reads what clients declare with eyes of
// its own, so that a mistake in the shared schema cannot agree with itself. Pure, bounded.
#pragma once

#include <optional>
#include <vector>

#include "storage/base/bytes.h"

namespace wab::sandbox {

struct Field {
  uint32_t number = 0;
  uint32_t wire = 0;   // 0 varint, 1 fixed64, 2 bytes, 5 fixed32
  uint64_t value = 0;  // wire 0, 1, 5
  ByteView bytes;      // wire 2: into the parsed buffer
};

class Fields {
 public:
  // Nothing when `data` is not a sequence of well-formed fields. Views into `data`.
  static std::optional<Fields> parse(ByteView data);

  bool has(uint32_t number) const { return find(number) != nullptr; }
  const Field* find(uint32_t number) const;  // the last one, as protobuf merges scalars
  std::optional<uint64_t> number(uint32_t number) const;
  std::optional<ByteView> bytes(uint32_t number) const;
  Bytes copy(uint32_t number) const;  // empty when absent
  std::string text(uint32_t number) const;
  std::optional<Fields> message(uint32_t number) const;
  const std::vector<Field>& all() const { return fields_; }

 private:
  std::vector<Field> fields_;
};

// The way back, for what the server itself signs and sends.
void put_field(Bytes& to, uint32_t number, uint64_t value);
void put_field(Bytes& to, uint32_t number, ByteView bytes);

}  // namespace wab::sandbox
