#include "bridge/access.h"

namespace wab::bridge {
namespace {

constexpr std::string_view kRoles[] = {"viewer", "agent", "admin", "owner", "operator"};

template <class E, size_t N>
std::optional<E> parse(const std::string_view (&words)[N], std::string_view word) {
  for (size_t i = 0; i < N; ++i) {
    if (words[i] == word) return static_cast<E>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view role_word(Role role) { return kRoles[static_cast<size_t>(role)]; }
std::optional<Role> parse_role(std::string_view word) { return parse<Role>(kRoles, word); }

std::string_view permission_word(Permission permission) {
  return kPermissionWords[static_cast<size_t>(permission)];
}
std::optional<Permission> parse_permission(std::string_view word) {
  return parse<Permission>(kPermissionWords, word);
}
std::span<const std::string_view> permission_words() { return kPermissionWords; }

Permissions Permissions::of_limited() {
  using enum Permission;
  Permissions out;
  for (const auto one :
       {sessions_read, sessions_write, messages_read, messages_write, events_read}) {
    out.add(one);
  }
  return out;
}

Permissions Permissions::of(Role role) {
  Permissions out;
  if (role == Role::operators) return out;  // an operator has no organization to act in
  using enum Permission;
  for (const auto one : {sessions_read, messages_read, webhooks_read, events_read}) out.add(one);
  if (role >= Role::agent) out.add(messages_write);
  if (role >= Role::admin) {
    for (const auto one : {sessions_write, webhooks_write, tokens_read, tokens_write, audit_read,
                           users_read, users_write})
      out.add(one);
  }
  return out;
}

}  // namespace wab::bridge
