#include "session/messaging/send_target.h"

#include <algorithm>

#include "session/pairing/code.h"

namespace wab::session {
namespace {

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return (c >= '0' && c <= '9') || c == '-'; });
}

}  // namespace

std::optional<node::Jid> parse_target(std::string_view to) {
  if (to.empty() || to.size() > 64) return std::nullopt;
  if (to.find('@') == std::string_view::npos) {
    const auto digits = normalise_phone(to);
    if (!digits) return std::nullopt;
    return node::Jid::pn(*digits);
  }
  const auto jid = node::Jid::parse(to);
  if (!jid || !all_digits(jid->user)) return std::nullopt;
  if (!jid->is_pn() && !jid->is_lid() && !jid->is_group()) return std::nullopt;
  return jid->bare();
}

}  // namespace wab::session
