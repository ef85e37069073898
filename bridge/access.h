// Who may do what: roles, permissions, and the proven caller.
//
// Pure. A Caller is made by Auth alone, and an organization's scope is reached only through one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "storage/scope.h"

namespace wab::bridge {

enum class Role : uint8_t { viewer, agent, admin, owner, operators };
std::string_view role_word(Role role);  // "operator"
std::optional<Role> parse_role(std::string_view word);

enum class Permission : uint8_t {
  sessions_read,
  sessions_write,  // create, change, pair, start, stop
  messages_read,
  messages_write,
  webhooks_read,
  webhooks_write,
  events_read,
  tokens_read,
  tokens_write,
  audit_read,
  users_read,
  users_write,
};
inline constexpr std::string_view kPermissionWords[] = {
    "sessions:read", "sessions:write", "messages:read", "messages:write",
    "webhooks:read", "webhooks:write", "events:read",   "tokens:read",
    "tokens:write",  "audit:read",     "users:read",    "users:write"};
std::string_view permission_word(Permission permission);  // "sessions:read"
std::optional<Permission> parse_permission(std::string_view word);
std::span<const std::string_view> permission_words();

class Permissions {
 public:
  Permissions() = default;
  static Permissions of(Role role);
  void add(Permission one) { bits_ |= 1u << static_cast<int>(one); }
  bool has(Permission one) const { return bits_ & (1u << static_cast<int>(one)); }
  bool covers(Permissions other) const { return (other.bits_ & ~bits_) == 0; }
  Permissions operator&(Permissions other) const {
    Permissions out;
    out.bits_ = bits_ & other.bits_;
    return out;
  }
  bool operator==(const Permissions&) const = default;
  // What a token that is limited to some sessions can hold: nothing that reaches beyond them.
  static Permissions of_limited();

 private:
  uint32_t bits_ = 0;
};

class Caller {
 public:
  bool is_operator() const { return role_ == Role::operators; }
  Role role() const { return role_; }
  Permissions permissions() const { return permissions_; }
  // "tok_..." or "usr_...".
  const std::string& principal() const { return principal_; }
  bool from_browser() const { return browser_; }
  // Of a person: a second factor is on. A token has none and needs none.
  bool has_second_factor() const { return second_factor_; }
  // The caller's own organization; the deployment's rows for an operator.
  const storage::OrgScope& scope() const { return scope_; }
  // Null: all sessions of the organization. Else only these exist for this caller.
  using Sessions = std::shared_ptr<const std::set<SessionId>>;
  const Sessions& sessions() const { return sessions_; }
  bool sees(const SessionId& id) const { return !sessions_ || sessions_->contains(id); }

 private:
  friend class Auth;
  Caller(storage::OrgScope scope, Role role, Permissions permissions, std::string principal,
         bool browser)
      : scope_(scope),
        role_(role),
        permissions_(permissions),
        principal_(std::move(principal)),
        browser_(browser) {}

  storage::OrgScope scope_;
  Role role_;
  Permissions permissions_;
  std::string principal_;
  bool browser_;
  bool second_factor_ = false;
  Sessions sessions_;
};

}  // namespace wab::bridge
