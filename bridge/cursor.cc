#include "bridge/cursor.h"

namespace wab::bridge {
namespace {

constexpr size_t kCheck = 12;

ByteArray<32> check_of(storage::Store& store, storage::OrgScope org, std::string_view list,
                       std::string_view mark) {
  Bytes data = to_bytes(list);
  data.push_back(0);
  append(data, view(mark));
  return store.keyed_hash(org, "cursor", data);
}

}  // namespace

std::string seal_cursor(storage::Store& store, storage::OrgScope org, std::string_view list,
                        std::string_view mark) {
  const auto check = check_of(store, org, list, mark);
  Bytes out(check.begin(), check.begin() + kCheck);
  append(out, view(mark));
  return to_base64url(out);
}

std::optional<std::string> open_cursor(storage::Store& store, storage::OrgScope org,
                                       std::string_view list, std::string_view cursor) {
  if (cursor.empty()) return std::string();
  const auto raw = from_base64url(cursor);
  if (!raw || raw->size() <= kCheck) return std::nullopt;
  std::string mark = to_string(ByteView(*raw).subspan(kCheck));
  const auto check = check_of(store, org, list, mark);
  if (!equal_constant_time(ByteView(check).first(kCheck), ByteView(*raw).first(kCheck))) {
    return std::nullopt;
  }
  return mark;
}

}  // namespace wab::bridge
