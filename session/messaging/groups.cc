#include "session/messaging/groups.h"

#include "session/messaging/signal_store.h"
#include "session/session.h"

namespace wab::session {
namespace {

using namespace std::chrono_literals;
using node::Jid;
using node::Node;
using storage::Kind;

constexpr auto kTimeout = 75s;
constexpr UnixSeconds kFresh = 24 * 3600;
constexpr size_t kMaxParticipants = 4096;

}  // namespace

std::optional<GroupInfo> read_group(const Node& group, const Jid& jid) {
  GroupInfo out;
  out.jid = jid;
  out.lid = group.attr("addressing_mode") == "lid";
  out.subject = group.attr("subject");
  for (const Node* entry : group.all("participant")) {
    const auto who = entry->jid("jid");
    if (!who) return std::nullopt;
    if (out.participants.size() >= kMaxParticipants) return std::nullopt;
    out.participants.push_back(who->bare());
  }
  return out;
}

awaitable<Result<GroupInfo>> Groups::info(Jid group) {
  {
    Change view(engine_.overlay);
    storage::Key key{Kind::group, group.text()};
    CO_TRY(auto stored, co_await view.get(std::move(key)));
    pb::StoredGroup row;
    if (stored && row.ParseFromArray(stored->data(), static_cast<int>(stored->size())) &&
        engine_.ctx.clock().now_s() - row.fetched_s() < kFresh) {
      GroupInfo out;
      out.jid = group;
      out.lid = row.addressing_mode() == "lid";
      out.subject = row.subject();
      for (const auto& one : row.participant()) {
        if (const auto jid = Jid::parse(one.jid())) out.participants.push_back(*jid);
      }
      co_return out;
    }
  }
  co_return co_await ask(group);
}

awaitable<Result<GroupInfo>> Groups::ask(Jid group) {
  Node iq("iq");
  iq.set("type", "get").set("xmlns", "w:g2").set("to", group);
  iq.add(Node("query").set("request", "interactive"));
  CO_TRY(const Node answer, co_await engine_.ask(std::move(iq), kTimeout));
  const auto* node = answer.child("group");
  const auto info = node ? read_group(*node, group) : std::nullopt;
  if (!info) co_return fail(SessionError::protocol, "group answer without group");

  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  pb::StoredGroup row;
  row.set_addressing_mode(info->lid ? "lid" : "pn");
  row.set_subject(info->subject);
  row.set_fetched_s(engine_.ctx.clock().now_s());
  const UnixSeconds now = engine_.server_now_s();
  for (const Node* entry : node->all("participant")) {
    const auto jid = entry->jid("jid");
    if (!jid) continue;
    auto* one = row.add_participant();
    one->set_jid(jid->bare().text());
    auto other = entry->jid(jid->is_lid() ? "phone_number" : "lid");
    if (other) {
      one->set_pn(other->bare().text());
      const Jid a = jid->bare();
      const Jid b = other->bare();
      CO_TRY_VOID(co_await learn_pair(change, a, b, now));
    }
  }
  change.put(Kind::group, group.text(), to_bytes(view(row.SerializeAsString())));
  engine_.overlay.apply(std::move(change));
  co_return *info;
}

void Groups::forget(Change& change, const Jid& group) { change.erase(Kind::group, group.text()); }

awaitable<Result<void>> Groups::rotate_key(Change& change, Jid group) {
  for (const Jid& own : {engine_.own().lid, engine_.own().pn}) {
    if (!own.empty()) change.erase(Kind::sender_key, sender_key_name(group, own));
  }
  change.erase(Kind::sender_key_map, group.text());
  forget(change, group);
  co_return ok();
}

awaitable<Result<std::vector<std::string>>> Groups::key_holders(Change& change, Jid group) {
  storage::Key key{Kind::sender_key_map, group.text()};
  CO_TRY(auto stored, co_await change.get(std::move(key)));
  std::vector<std::string> out;
  pb::StoredSenderKeyMap row;
  if (stored && row.ParseFromArray(stored->data(), static_cast<int>(stored->size()))) {
    out.assign(row.device().begin(), row.device().end());
  }
  co_return out;
}

void Groups::store_key_holders(Change& change, const Jid& group,
                               const std::vector<std::string>& holders) {
  pb::StoredSenderKeyMap row;
  for (const auto& holder : holders) row.add_device(holder);
  change.put(Kind::sender_key_map, group.text(), to_bytes(view(row.SerializeAsString())));
}

}  // namespace wab::session
