#include "tests/sandbox/fields.h"

namespace wab::sandbox {
namespace {

std::optional<uint64_t> varint(ByteView& in) {
  uint64_t out = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (in.empty()) return std::nullopt;
    const uint8_t byte = in.front();
    in = in.subspan(1);
    out |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return out;
  }
  return std::nullopt;
}

std::optional<uint64_t> little_endian(ByteView& in, size_t size) {
  if (in.size() < size) return std::nullopt;
  uint64_t out = 0;
  for (size_t i = size; i-- > 0;) out = out << 8 | in[i];
  in = in.subspan(size);
  return out;
}

void put_varint(Bytes& to, uint64_t value) {
  while (value >= 0x80) {
    to.push_back(static_cast<uint8_t>(value | 0x80));
    value >>= 7;
  }
  to.push_back(static_cast<uint8_t>(value));
}

}  // namespace

std::optional<Fields> Fields::parse(ByteView data) {
  Fields out;
  while (!data.empty()) {
    const auto key = varint(data);
    if (!key || *key >> 3 == 0 || *key >> 3 > 0x1FFFFFFF) return std::nullopt;
    Field field{static_cast<uint32_t>(*key >> 3), static_cast<uint32_t>(*key & 7), 0, {}};
    std::optional<uint64_t> value;
    switch (field.wire) {
      case 0:
        value = varint(data);
        break;
      case 1:
        value = little_endian(data, 8);
        break;
      case 5:
        value = little_endian(data, 4);
        break;
      case 2:
        value = varint(data);
        if (!value || *value > data.size()) return std::nullopt;
        field.bytes = data.first(*value);
        data = data.subspan(*value);
        break;
      default:
        return std::nullopt;
    }
    if (!value) return std::nullopt;
    field.value = *value;
    out.fields_.push_back(field);
  }
  return out;
}

const Field* Fields::find(uint32_t number) const {
  for (size_t i = fields_.size(); i-- > 0;) {
    if (fields_[i].number == number) return &fields_[i];
  }
  return nullptr;
}

std::optional<uint64_t> Fields::number(uint32_t number) const {
  const Field* field = find(number);
  if (field == nullptr || field->wire == 2) return std::nullopt;
  return field->value;
}

std::optional<ByteView> Fields::bytes(uint32_t number) const {
  const Field* field = find(number);
  if (field == nullptr || field->wire != 2) return std::nullopt;
  return field->bytes;
}

Bytes Fields::copy(uint32_t number) const {
  const auto found = bytes(number);
  return found ? to_bytes(*found) : Bytes{};
}

std::string Fields::text(uint32_t number) const {
  const auto found = bytes(number);
  return found ? to_string(*found) : std::string();
}

std::optional<Fields> Fields::message(uint32_t number) const {
  const auto found = bytes(number);
  if (!found) return std::nullopt;
  return parse(*found);
}

void put_field(Bytes& to, uint32_t number, uint64_t value) {
  put_varint(to, static_cast<uint64_t>(number) << 3);
  put_varint(to, value);
}

void put_field(Bytes& to, uint32_t number, ByteView bytes) {
  put_varint(to, static_cast<uint64_t>(number) << 3 | 2);
  put_varint(to, bytes.size());
  append(to, bytes);
}

}  // namespace wab::sandbox
