// Strong identifiers: 16 random bytes with a kind that the compiler checks and a text form such as
// "org_3k9f..." (prefix, underscore, 26 characters of base32).
#pragma once

#include <compare>
#include <functional>

#include "storage/base/bytes.h"
#include "storage/base/clock.h"

namespace wab {

template <class Tag>
class Id {
 public:
  Id() : bytes_{} {}
  explicit Id(const ByteArray<16>& bytes) : bytes_(bytes) {}
  static Id random(Random& random) { return Id(random.array<16>()); }
  static std::optional<Id> parse(std::string_view text) {
    const std::string_view prefix = Tag::prefix;
    if (!text.starts_with(prefix) || text.size() != prefix.size() + 26) return std::nullopt;
    const auto raw = from_base32(text.substr(prefix.size()));
    if (!raw) return std::nullopt;
    const auto bytes = to_array<16>(*raw);
    if (!bytes || Id(*bytes).text() != text) return std::nullopt;  // one text form per id
    return Id(*bytes);
  }
  std::string text() const { return Tag::prefix + to_base32(bytes_); }
  const ByteArray<16>& bytes() const { return bytes_; }
  bool is_nil() const { return bytes_ == ByteArray<16>{}; }
  auto operator<=>(const Id&) const = default;

 private:
  ByteArray<16> bytes_;
};

struct OrgTag {
  static constexpr const char* prefix = "org_";
};
struct SessionTag {
  static constexpr const char* prefix = "ses_";
};
struct EndpointTag {
  static constexpr const char* prefix = "whk_";
};
struct MessageTag {
  static constexpr const char* prefix = "msg_";
};
struct TokenTag {
  static constexpr const char* prefix = "tok_";
};
struct UserTag {
  static constexpr const char* prefix = "usr_";
};

using OrgId = Id<OrgTag>;
using SessionId = Id<SessionTag>;
using EndpointId = Id<EndpointTag>;
using MessageRowId = Id<MessageTag>;
using TokenId = Id<TokenTag>;
using UserId = Id<UserTag>;

}  // namespace wab

template <class Tag>
struct std::hash<wab::Id<Tag>> {
  size_t operator()(const wab::Id<Tag>& id) const noexcept {
    return static_cast<size_t>(wab::read_be64(id.bytes()));
  }
};
